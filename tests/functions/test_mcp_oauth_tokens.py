"""Access tokens of an OAuth server: which hold, what they say, and when its keys are asked for. Real HTTP, one loop."""

import asyncio
import base64
import hashlib
import hmac
import json
import math
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from shared.conversation.access import Caller, Scope
from shared.conversation.issuer_keys import IssuerKeys, addresses
from shared.conversation.oauth import Claims, OAuthTokens, claims_of
from shared.errors import InvalidInput, TokenRefused, Unavailable
from shared.settings import Settings
from tests.support.issuer import AUDIENCE, Issuer, made_key

KNOWN: dict[str, IssuerKeys] = {}


@pytest.fixture(scope="module")
def whole() -> Iterator[Issuer]:
    """An issuer with a key of every sort."""
    with Issuer() as issuer:
        issuer.keys |= {name: (name, made_key(name)) for name in ("RS256", "PS256", "EdDSA")}
        KNOWN[issuer.url] = IssuerKeys(issuer.url)  # a new one for every token would take long
        yield issuer
        del KNOWN[issuer.url]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as made:
        yield made


def caller(issuer: Issuer, token: str, **wanted: Any) -> Caller:
    """Who this token is of, asked by a server that knows nothing of the issuer yet, unless it never changes."""

    async def ask() -> Caller:
        claims = Claims(issuer.url, (AUDIENCE,), "default", **wanted)
        tokens = OAuthTokens(claims, KNOWN.get(issuer.url) or IssuerKeys(issuer.url))
        return await tokens.caller(token, time.time_ns() // 1_000_000)

    return asyncio.run(ask())


def refused(issuer: Issuer, token: str, **wanted: Any) -> str:
    with pytest.raises(TokenRefused) as why:
        caller(issuer, token, **wanted)
    assert token not in str(why.value)
    return str(why.value)


@pytest.mark.parametrize("key", ["one", "RS256", "PS256", "EdDSA"])
def test_a_token_of_any_sort_of_key_holds(whole: Issuer, key: str) -> None:
    assert caller(whole, whole.token(key)) == Caller("ann", "ann", "default", (Scope.READ,))


def test_tokens_that_do_not_hold_are_refused_with_the_reason(whole: Issuer) -> None:
    now = int(time.time())
    for given, why in (
        ({"exp": now - 31}, "has expired"),
        ({"exp": None}, "can't be read"),
        ({"exp": "tomorrow"}, "can't be read"),
        ({"exp": 10**400}, "can't be read"),
        ({"exp": math.nan}, "can't be read"),
        ({"exp": True}, "can't be read"),
        ({"nbf": now + 60}, "not valid yet"),
        ({"iat": now + 60}, "not valid yet"),
        ({"aud": "https://other.example.com/mcp"}, "another audience"),
        ({"aud": [AUDIENCE + "/x", "other"]}, "another audience"),
        ({"aud": None}, "can't be read"),
        ({"iss": "https://evil.example.com"}, "another issuer"),
        ({"iss": whole.url + "/"}, "another issuer"),
        ({"sub": None}, "can't be read"),
        ({"sub": ""}, "sub is not a line"),
        ({"sub": "a\nb"}, "sub is not a line"),
        ({"sub": "x" * 151}, "sub is not a line"),
    ):
        assert why in refused(whole, whole.token(**given)), given


def test_clocks_may_be_half_a_minute_apart(whole: Issuer) -> None:
    now = int(time.time())

    for given in ({"exp": now - 20}, {"nbf": now + 20, "iat": now + 20}, {"aud": ["other", AUDIENCE]}):
        assert caller(whole, whole.token(**given)).id == "ann"


def test_a_token_can_not_choose_how_it_is_checked(whole: Issuer) -> None:
    """No signature, the public key as a shared secret, and the right key with an algorithm that is not its own."""
    body = whole.claims()
    public = whole.keys["RS256"][1].public_key()
    text = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    unsigned = jwt.encode(body, "", "none", {"kid": "RS256"})
    for token in (unsigned, _hs256(body, text, "RS256"), _hs256(body, b"", "RS256")):
        assert "must be signed with one of RS256, PS256, ES256, EdDSA" in refused(whole, token)
    forged = jwt.encode(body, made_key("ES256"), "ES256", {"kid": "one"})
    assert "signature is wrong" in refused(whole, forged)
    other_sort = jwt.encode(body, whole.keys["EdDSA"][1], "EdDSA", {"kid": "one"})
    assert "can't be read" in refused(whole, other_sort)
    header, _, signature = whole.token().split(".")
    changed = f"{header}.{_part({**body, 'sub': 'admin'})}.{signature}"
    assert "signature is wrong" in refused(whole, changed)


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "", "é" * 40, "x" * 20_000, f"{base64.b64encode(b'[]').decode()}.e30.x"]
)
def test_what_is_no_token_is_refused(whole: Issuer, token: str) -> None:
    with pytest.raises(TokenRefused, match="can't be read"):
        caller(whole, token)


def test_a_key_that_names_its_algorithm_is_used_with_no_other(issuer: Issuer) -> None:
    private = made_key("RS256")
    issuer.keys = {"rsa": ("RS256", private)}
    assert caller(issuer, jwt.encode(issuer.claims(), private, "PS256", {"kid": "rsa"})).id == "ann"
    (shown,) = [one for one in _shown(issuer) if one["kid"] == "rsa"]
    issuer.keys, issuer.extra_keys = {}, [{**shown, "alg": "RS256"}, {**shown, "kid": "enc", "use": "enc"}]

    assert caller(issuer, jwt.encode(issuer.claims(), private, "RS256", {"kid": "rsa"})).id == "ann"
    assert "can't be read" in refused(issuer, jwt.encode(issuer.claims(), private, "PS256", {"kid": "rsa"}))
    assert "no such key" in refused(issuer, jwt.encode(issuer.claims(), private, "RS256", {"kid": "enc"}))


def test_keys_that_can_not_be_used_do_not_stand_in_the_way_of_others(issuer: Issuer) -> None:
    issuer.extra_keys = [
        {"kty": "oct", "k": "c2VzYW1l", "kid": "secret"},
        {"kty": "XYZ"},
        {"kty": "RSA", "n": "!"},
    ]

    assert caller(issuer, issuer.token()).id == "ann"
    assert "must be signed" in refused(issuer, _hs256(issuer.claims(), b"sesame", "secret"))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"scope": "openid alerts:read rules:write rules:everything"}, {Scope.READ, Scope.WRITE}),
        ({"scope": ["alerts:act"]}, {Scope.ACT}),
        ({"scope": "ALERTS:READ alerts:readx"}, set()),
        ({"scope": None}, set()),
        ({"scope": 7}, set()),
    ],
)
def test_scopes_are_words_or_a_list_and_those_of_others_are_left_out(
    whole: Issuer, given: dict[str, Any], found: set[Scope]
) -> None:
    assert set(caller(whole, whole.token(**given)).scopes) == found


def test_the_claims_of_scopes_tenant_and_name_can_be_others(whole: Issuer) -> None:
    wanted = {
        "scope_claim": "scp",
        "tenant_claim": "https://tocsin/tenant",
        "name_claim": "preferred_username",
    }
    given: dict[str, Any] = {
        "scp": ["alerts:act"],
        "https://tocsin/tenant": "acme",
        "preferred_username": "Ann Lee",
    }

    assert caller(whole, whole.token(**given), **wanted) == Caller("ann", "Ann Lee", "acme", (Scope.ACT,))
    assert caller(whole, whole.token(**{**given, "preferred_username": ["x"]}), **wanted).name == "ann"
    for tenant in (None, "", "Acme", "a b", ["acme"], 7):
        said = refused(whole, whole.token(**{**given, "https://tocsin/tenant": tenant}), **wanted)
        assert said == "the token names no tenant"


def test_a_token_without_the_name_of_its_key_holds_only_while_there_is_one_key(issuer: Issuer) -> None:
    token = jwt.encode(issuer.claims(), issuer.keys["one"][1], "ES256")
    assert caller(issuer, token).id == "ann"
    issuer.keys["two"] = ("ES256", made_key("ES256"))

    assert "no such key" in refused(issuer, token)


@pytest.mark.parametrize(
    ("path", "metadata"),
    [
        ("", "/.well-known/oauth-authorization-server"),
        ("/realms/a", "/.well-known/oauth-authorization-server/realms/a"),
        ("/realms/a", "/realms/a/.well-known/openid-configuration"),
        ("/", "/.well-known/openid-configuration"),
    ],
)
def test_metadata_are_found_where_either_standard_puts_them(path: str, metadata: str) -> None:
    with Issuer(path, metadata) as issuer:
        assert caller(issuer, issuer.token()).id == "ann"
        assert set(issuer.asked) <= {
            *(one.removeprefix(issuer.url.removesuffix(path)) for one in addresses(issuer.url)),
            "/keys",
        }


def test_an_issuer_that_can_not_be_used_is_told_apart_from_one_that_is_down(issuer: Issuer) -> None:
    for change, why in (
        ({"named": "https://other.example.com"}, "it calls itself 'https://other.example.com'"),
        ({"named": None, "_metadata": "/elsewhere"}, "it has no metadata at http://127.0.0.1"),
        ({"_metadata": "/.well-known/oauth-authorization-server", "keys": {}}, "it has no key for RS256"),
    ):
        vars(issuer).update(change)
        with pytest.raises(Unavailable, match=why):
            caller(issuer, _any_token())


def test_settings_must_say_whose_tokens_are_taken_and_for_what() -> None:
    good = {
        "mcp_auth": "oauth",
        "mcp_issuer": "https://id.example.com",
        "mcp_url": "https://t.example.com/mcp",
    }
    found = claims_of(Settings.model_validate(good))
    assert found.audiences == ("https://t.example.com/mcp", "https://t.example.com/mcp/")
    assert claims_of(Settings.model_validate({**good, "mcp_audience": "tocsin"})).audiences == ("tocsin",)
    for name, value in (("mcp_issuer", ""), ("mcp_url", ""), ("mcp_url", "http://t.example.com/mcp")):
        with pytest.raises(InvalidInput, match=f"TOCSIN_{name.upper()}"):
            claims_of(Settings.model_validate({**good, name: value}))
    with pytest.raises(InvalidInput, match=r"TOCSIN_MCP_ISSUER.*https://"):
        IssuerKeys("http://id.example.com")


def _shown(issuer: Issuer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(issuer.url + "/keys", trust_env=False).json()["keys"]
    return found


def _any_token() -> str:
    return jwt.encode({"sub": "x"}, made_key("ES256"), "ES256", {"kid": "one"})


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _hs256(body: dict[str, Any], secret: bytes, key: str) -> str:
    """As an attacker would: the library itself refuses to make one with a public key."""
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': key})}.{_part(body)}"
    signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
