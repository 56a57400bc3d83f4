"""Access tokens of an OAuth server (JWT, RFC 9068): who made them, for whom, how long, and what they allow.

Tocsin is a resource server only: it makes no tokens and keeps none. The secret of a signature is never here, so only
algorithms with public keys are taken; a token can't choose another.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from shared.conversation.access import Caller, Scope
from shared.conversation.issuer_keys import ALGORITHMS, IssuerKeys, Key, is_protected
from shared.errors import InvalidInput, TokenRefused
from shared.model import Millis
from shared.settings import Settings

LEEWAY_SECONDS = 30
"""How far two clocks may be apart."""
_MOST_TOKEN = 16_384
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SUBJECT = re.compile(r"[^\x00-\x1f\x7f]{1,150}")
_WHY: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidAudienceError: "the token was made for another audience",
    jwt.InvalidIssuerError: "the token was made by another issuer",
    jwt.InvalidSignatureError: "the token's signature is wrong",
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What tokens must say, and where they say it. Empty claims are not looked at."""

    issuer: str
    audiences: Sequence[str]
    tenant: str
    scope_claim: str = "scope"
    tenant_claim: str = ""
    name_claim: str = ""


def claims_of(settings: Settings) -> Claims:
    """Raises InvalidInput for settings that don't say whose tokens are taken, or for what."""
    for name, given in (("TOCSIN_MCP_ISSUER", settings.mcp_issuer), ("TOCSIN_MCP_URL", settings.mcp_url)):
        if not given:
            raise InvalidInput(name, None, "TOCSIN_MCP_AUTH=oauth needs it")
    if not is_protected(settings.mcp_url):
        valid = "expected an address that begins with https:// (http:// only on this machine)"
        raise InvalidInput("TOCSIN_MCP_URL", settings.mcp_url, valid)
    # Authorization servers differ in whether they keep the slash at the end of an address.
    bare = settings.mcp_url.rstrip("/")
    audiences = (settings.mcp_audience,) if settings.mcp_audience else (bare, f"{bare}/")
    return Claims(
        settings.mcp_issuer,
        audiences,
        settings.tenant,
        settings.mcp_scope_claim,
        settings.mcp_tenant_claim,
        settings.mcp_name_claim,
    )


class OAuthTokens:
    """Knows callers by access tokens of one issuer."""

    def __init__(self, wanted: Claims, keys: IssuerKeys) -> None:
        self._wanted, self._keys = wanted, keys

    async def caller(self, token: str, now: Millis) -> Caller:
        """The caller of this token. `now` is epoch milliseconds."""
        try:
            if len(token) > _MOST_TOKEN:
                raise jwt.DecodeError
            header = jwt.get_unverified_header(token)
            algorithm, name = header.get("alg"), header.get("kid")
            if algorithm not in ALGORITHMS:
                raise TokenRefused(f"the token must be signed with one of {', '.join(ALGORITHMS)}")
            key = await self._keys.key(name if isinstance(name, str) else None)
            if key is None:
                raise TokenRefused("the issuer has no such key")
            return self._caller(_claims(token, key, algorithm, self._wanted), now)
        except jwt.PyJWTError as error:
            why = next(
                (words for kind, words in _WHY.items() if isinstance(error, kind)), "the token can't be read"
            )
            raise TokenRefused(why) from None

    def _caller(self, said: Mapping[str, Any], now: Millis) -> Caller:
        _check_times(said, now // 1000)
        wanted, subject = self._wanted, said["sub"]
        if not _SUBJECT.fullmatch(subject):
            raise TokenRefused("the token's sub is not a line of at most 150 characters")
        name = said.get(wanted.name_claim) if wanted.name_claim else None
        readable = isinstance(name, str) and _SUBJECT.fullmatch(name)
        return Caller(
            subject,
            str(name) if readable else subject,
            self._tenant(said),
            _scopes(said.get(wanted.scope_claim)),
        )

    def _tenant(self, said: Mapping[str, Any]) -> str:
        claim = self._wanted.tenant_claim
        if not claim:
            return self._wanted.tenant
        tenant = said.get(claim)
        if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
            raise TokenRefused("the token names no tenant")
        return tenant


def _claims(token: str, key: Key, algorithm: str, wanted: Claims) -> Mapping[str, Any]:
    """What the token says, signed by this key, made by and for whom it must be. Raises PyJWTError."""
    if algorithm not in key.algorithms:
        raise jwt.InvalidAlgorithmError
    return jwt.decode(
        token,
        key.public,
        algorithms=[algorithm],
        audience=list(wanted.audiences),
        issuer=wanted.issuer,
        options={
            "require": ["exp", "iss", "aud", "sub"],
            "enforce_minimum_key_length": True,
            "verify_exp": False,  # times are compared by our clock, below
            "verify_nbf": False,
            "verify_iat": False,
        },
    )


def _check_times(said: Mapping[str, Any], now: int) -> None:
    """By the clock that is given. Raises PyJWTError."""
    times = {name: said[name] for name in ("exp", "nbf", "iat") if name in said}
    if not all(_is_time(time) for time in times.values()):
        raise jwt.DecodeError
    if times["exp"] + LEEWAY_SECONDS <= now:
        raise jwt.ExpiredSignatureError
    if max(times.get("nbf", 0), times.get("iat", 0)) - LEEWAY_SECONDS > now:
        raise jwt.ImmatureSignatureError


def _is_time(value: object) -> bool:
    """Seconds since 1970, and not NaN, which is in no order with anything."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12


def _scopes(said: object) -> tuple[Scope, ...]:
    """Those of Tocsin: of a text with spaces between, or of a list of texts."""
    words = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
    return tuple(scope for scope in Scope if scope.value in words)
