"""The keys of an OAuth server: found through its metadata, kept for a while, asked for again when one is unknown.

The server may be down when this process starts, or later: then whoever needs a key hears that, and keys that are known
go on for an hour. A token that names an unknown key costs at most one look a minute, whoever sends it.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jwt

from shared.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("tocsin.mcp")
SETTING = "TOCSIN_MCP_ISSUER"

FRESH_SECONDS = 600.0
"""How long keys are taken for the present ones: how long a key that was withdrawn may still be used."""
STALE_SECONDS = 3600.0
"""How long they go on while the server can't be asked."""
UNKNOWN_SECONDS = 60.0
"""How often the server is asked again because of a key that it didn't have."""
PAUSE_SECONDS = 2.0
"""How long a server that didn't answer is left alone while nothing is known of it."""
TIMEOUT_SECONDS = 3.0
"""For each answer, to its last byte: everybody who comes meanwhile waits for it."""
MAX_BYTES = 1_000_000
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, as the library takes it, and what it may be used with: a token can't choose anything else."""

    name: str | None
    algorithms: tuple[str, ...]
    public: Any


class IssuerKeys:
    """The keys of one issuer. Constructing it does no I/O; it belongs to one event loop."""

    def __init__(
        self,
        issuer: str,
        monotonic: Callable[[], float] = time.monotonic,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """`issuer` is its address exactly as its tokens name it. Raises InvalidInput for one that is not protected."""
        if not is_protected(issuer):
            valid = "expected an address that begins with https:// (http:// only on this machine)"
            raise InvalidInput(SETTING, issuer, valid)
        self._issuer, self._monotonic, self._timeout = issuer, monotonic, timeout_seconds
        self._lock = asyncio.Lock()
        self._keys: Sequence[Key] = ()
        self._read_at = self._looked_at = self._pause_until = float("-inf")
        self._trouble: Unavailable | None = None

    async def key(self, name: str | None) -> Key | None:
        """The key of that name, or the only one for a token that names none; None if the issuer has no such key.

        Raises Unavailable when the issuer doesn't answer and what is known doesn't help.
        """
        if self._is_fresh and (found := self._named(name)):
            return found
        async with self._lock:  # one asks, the others wait for what it hears
            if not self._is_fresh:
                await self._read()
            elif self._named(name) is None and self._monotonic() - self._looked_at >= UNKNOWN_SECONDS:
                self._looked_at = self._monotonic()
                await self._read()
            found = self._named(name)
            if found is None and self._trouble is not None:
                raise self._trouble
            return found

    @property
    def _is_fresh(self) -> bool:
        return self._monotonic() - self._read_at < FRESH_SECONDS

    def _named(self, name: str | None) -> Key | None:
        if name is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.name == name), None)

    async def _read(self) -> None:
        """Ask the issuer. What it says replaces what was known; that it says nothing is remembered for a moment."""
        if self._monotonic() < self._pause_until:
            return
        try:
            self._keys = await asyncio.to_thread(_fetched, self._issuer, self._timeout)
        except Unavailable as error:
            now = self._monotonic()
            if now - self._read_at >= STALE_SECONDS:
                self._keys = ()
            self._trouble, self._pause_until = error, now + (UNKNOWN_SECONDS if self._keys else PAUSE_SECONDS)
            log.warning("%s", error)
            return
        self._read_at, self._trouble = self._monotonic(), None


def is_protected(url: str) -> bool:
    """Whether nobody on the way can change what it answers."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    )


def addresses(issuer: str) -> Sequence[str]:
    """Where an issuer describes itself: RFC 8414, then OpenID Connect, in both of its spellings."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}/.well-known", parts.path.rstrip("/")
    return tuple(
        dict.fromkeys(
            (
                f"{base}/oauth-authorization-server{path}",
                f"{issuer.rstrip('/')}/.well-known/openid-configuration",
                f"{base}/openid-configuration{path}",
            )
        )
    )


def _fetched(issuer: str, timeout: float) -> Sequence[Key]:
    """Runs in a thread. Raises Unavailable, also for answers that make no sense."""
    import httpx  # only where tokens of an OAuth server are taken

    try:
        with httpx.Client(timeout=timeout) as client:
            found = _document(client, _keys_address(client, issuer))
    except httpx.HTTPError as error:
        raise _down(issuer, f"{type(error).__name__}: {error}") from error
    if found is None:
        raise _down(issuer, "its keys are not where its metadata says")
    keys = tuple(_usable(found.get("keys")))
    if not keys:
        raise _down(issuer, f"it has no key for {', '.join(ALGORITHMS)}")
    return keys


def _usable(found: object) -> Iterator[Key]:
    """The keys that sign; the others of a set (for encryption, of other algorithms) are no mistake."""
    for one in found if isinstance(found, list) else ():
        if not isinstance(one, dict) or one.get("use", "sig") != "sig":
            continue
        try:
            read = jwt.PyJWK(one)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        name = read.algorithm_name
        # A key of RSA that names no algorithm fits both.
        fits = ("RS256", "PS256") if name == "RS256" and "alg" not in one else (name,)
        if set(fits) <= set(ALGORITHMS):
            yield Key(read.key_id, fits, read.key)


def _keys_address(client: "httpx.Client", issuer: str) -> str:
    for address in addresses(issuer):
        metadata = _document(client, address)
        if metadata is None:
            continue
        if metadata.get("issuer") != issuer:
            raise _down(
                issuer,
                f"it calls itself {str(metadata.get('issuer'))[:200]!r}, and the setting must say the same",
            )
        keys = metadata.get("jwks_uri")
        if not isinstance(keys, str) or not is_protected(keys):
            raise _down(issuer, "its metadata names no jwks_uri that begins with https://")
        return keys
    raise _down(issuer, f"it has no metadata at {', '.join(addresses(issuer))}")


def _document(client: "httpx.Client", url: str) -> dict[str, Any] | None:
    """The JSON object there; None if there is something else, or nothing. Redirects are not followed."""
    import httpx

    body, end = bytearray(), time.monotonic() + (client.timeout.read or 0)
    with client.stream("GET", url, headers={"accept": "application/json"}) as answer:
        if answer.status_code >= 500:
            answer.raise_for_status()
        if answer.status_code != 200:
            return None
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                return None
            if time.monotonic() > end:  # each piece came in time, but there are too many
                raise httpx.ReadTimeout("it took too long")
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _down(issuer: str, why: str) -> Unavailable:
    return Unavailable("the OAuth server", issuer, why, SETTING)
