"""Who may use which tools: the scopes, the file of tokens, and what one caller is.

Tenant and name of a caller come from the token alone, never from an argument. The file holds sha256 sums, so that it
tells nobody how to get in; it is read again when it changes, because a mounted Secret does.
"""

import hashlib
import hmac
import logging
import threading
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import yaml
from mcp.server.auth.provider import AccessToken
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidInput

log = logging.getLogger("tocsin.mcp")
SETTING = "TOCSIN_MCP_TOKENS_FILE"


class Scope(StrEnum):
    """What a token allows; every tool needs one of these."""

    READ = "alerts:read"
    ACT = "alerts:act"
    WRITE = "rules:write"
    DELETE = "rules:delete"
    TEST = "notify:test"


class _Token(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    tenant: str = Field("default", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    scopes: tuple[Scope, ...] = Field(tuple(Scope), min_length=1)
    expires: AwareDatetime | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: tuple[_Token, ...]


class Tokens:
    """The file of tokens, as it is now. Without a file, or while it has none, nobody gets in."""

    def __init__(self, path: Path | None) -> None:
        """Reads the file. Raises InvalidInput when it can't be used; one that is not there yet is waited for."""
        self._path, self._lock = path, threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._tokens: Sequence[_Token] = ()
        self._refresh(strict=True)

    def __len__(self) -> int:
        return len(self._tokens)

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller of this token (the SDK's TokenVerifier), or None. Every entry is compared, so that the time
        says nothing; the SDK refuses what has expired."""
        self._refresh(strict=False)
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found = [one for one in self._tokens if hmac.compare_digest(one.sha256, given)]
        if not found:
            return None
        return AccessToken(
            token=found[0].id,
            client_id=found[0].id,
            subject=found[0].id,
            scopes=[scope.value for scope in found[0].scopes],
            expires_at=None if found[0].expires is None else _seconds(found[0].expires),
            claims={"tenant": found[0].tenant},
        )

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
                self._tokens = _read(self._path)
            except InvalidInput as error:
                if strict:
                    raise
                log.warning("the last good tokens stay: %s", error)
            self._stamp = stamp


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _read(path: Path) -> Sequence[_Token]:
    """The entries. Raises InvalidInput, which repeats nothing of the file but names of keys and ids."""
    try:
        tokens = _File.model_validate(yaml.safe_load(path.read_text("utf-8"))).tokens
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(SETTING, str(path), f"it can't be read: {type(error).__name__}") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the whole file"
        raise InvalidInput(SETTING, str(path), f"{place}: {problem['msg']}") from None
    for same in ("id", "sha256"):
        values = [getattr(one, same) for one in tokens]
        if len(set(values)) < len(values):
            raise InvalidInput(SETTING, str(path), f"two tokens have the same {same}")
    return tokens
