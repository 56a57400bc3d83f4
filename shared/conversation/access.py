"""Who may use which tools: the scopes, the file of tokens, and what one caller is.

Tenant and name of a caller come from the token alone, never from an argument. The file holds sha256 sums, so that it
tells nobody how to get in; it is read again when it changes, because a mounted Secret does.
"""

import hashlib
import hmac
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidInput, TokenRefused
from shared.model import Millis

log = logging.getLogger("tocsin.mcp")
SETTING = "TOCSIN_MCP_TOKENS_FILE"


class Scope(StrEnum):
    """What a token allows; every tool needs one of these."""

    READ = "alerts:read"
    ACT = "alerts:act"
    WRITE = "rules:write"
    DELETE = "rules:delete"
    TEST = "notify:test"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as a token says. `id` goes into the audit, `name` is what people read."""

    id: str
    name: str
    tenant: str
    scopes: tuple[Scope, ...]


class Verifier(Protocol):
    """Knows callers by their tokens."""

    async def caller(self, token: str, now: Millis) -> Caller:
        """Raises TokenRefused for a token that doesn't hold, Unavailable when that can't be found out now."""


class Entry(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    tenant: str = Field("default", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    scopes: tuple[Scope, ...] = Field(tuple(Scope), min_length=1)
    expires: AwareDatetime | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: tuple[Entry, ...]


class Tokens:
    """The file of tokens, as it is now. Without a file, or while it has none, nobody gets in."""

    def __init__(self, path: Path | None) -> None:
        """Reads the file. Raises InvalidInput when it can't be used; one that is not there yet is waited for."""
        self._path, self._lock = path, threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._tokens: Sequence[Entry] = ()
        self._refresh(strict=True)

    def __len__(self) -> int:
        return len(self._tokens)

    async def caller(self, token: str, now: Millis) -> Caller:
        """The caller of this token. Every entry is compared, so that the time says nothing."""
        self._refresh(strict=False)
        given = digest(token)
        found = [one for one in self._tokens if hmac.compare_digest(one.sha256, given)]
        if not found:
            raise TokenRefused("the token is not known")
        (one,) = found
        if one.expires is not None and one.expires.timestamp() * 1000 <= now:
            raise TokenRefused("the token has expired")
        return Caller(one.id, one.id, one.tenant, one.scopes)

    def _refresh(self, *, strict: bool) -> None:
        if self._path is None:
            return
        with self._lock:
            try:
                stat = self._path.stat()
            except OSError:
                self._tokens, self._stamp = (), None  # it was taken away, or has not come yet
                return
            stamp = stat.st_mtime_ns, stat.st_size
            if stamp == self._stamp:
                return
            try:
                self._tokens = read_entries(self._path)
            except InvalidInput as error:
                if strict:
                    raise
                log.warning("the last good tokens stay: %s", error)
            self._stamp = stamp


def digest(token: str) -> str:
    """What the file holds of a token: its sha256 sum. Tokens are long and random, so that a slow hash adds nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read_entries(path: Path, field: str = SETTING) -> Sequence[Entry]:
    """The entries. Raises InvalidInput about `field`, which repeats nothing of the file but names of keys and ids."""
    import yaml  # `tocsin --help` must not wait for it

    try:
        tokens = _File.model_validate(yaml.safe_load(path.read_text("utf-8"))).tokens
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise InvalidInput(field, str(path), f"it can't be read: {why}") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the whole file"
        raise InvalidInput(field, str(path), f"{place}: {problem['msg']}") from None
    for same in ("id", "sha256"):
        values = [getattr(one, same) for one in tokens]
        if len(set(values)) < len(values):
            raise InvalidInput(field, str(path), f"two tokens have the same {same}")
    return tokens
