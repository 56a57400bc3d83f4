"""An OAuth server on this machine: its metadata and keys over real HTTP, and tokens as it would sign them."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from tests.support.sink import Reply, Request, Sink

AUDIENCE = "https://tocsin.example.com/mcp"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def made_key(algorithm: str) -> PrivateKey:
    """A new key for this algorithm."""
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


class Issuer:
    """Use as a context manager. `keys` are those that it shows now, by name: change them to rotate.

    `granted` are the scopes of the next token that a client gets from it.
    """

    def __init__(self, path: str = "", metadata: str = "/.well-known/oauth-authorization-server") -> None:
        """`path` is its own, `metadata` where it describes itself."""
        self._sink, self._path, self._metadata = Sink(answer=self._answer), path, metadata
        self.keys: dict[str, tuple[str, PrivateKey]] = {"one": ("ES256", made_key("ES256"))}
        self.extra_keys: list[dict[str, Any]] = []
        self.down = False
        self.named: str | None = None
        self.granted = ""

    @property
    def url(self) -> str:
        """What its tokens name."""
        return self._sink.url + self._path

    @property
    def looks(self) -> int:
        """How often its keys were asked for."""
        return sum(one.path == "/keys" for one in self._sink.requests)

    @property
    def asked(self) -> list[str]:
        return [one.path for one in self._sink.requests]

    def claims(self, **given: Any) -> dict[str, Any]:
        """What a token says that holds, with changes; None leaves a claim out."""
        now = int(time.time())
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ann",
            "exp": now + 300,
            "iat": now,
            "scope": "alerts:read",
        }
        return {name: value for name, value in {**usual, **given}.items() if value is not None}

    def token(self, key: str = "one", /, headers: Mapping[str, Any] | None = None, **given: Any) -> str:
        """A token that this key signed."""
        algorithm, private = self.keys[key]
        return jwt.encode(self.claims(**given), private, algorithm, {"kid": key, **(headers or {})})

    def _answer(self, request: Request) -> Reply:
        if self.down:
            return Reply(503)
        if request.path == self._metadata:
            return Reply(200, body=self._described())
        if request.path == "/register":
            asked = {**request.json(), "client_id": "client-1", "token_endpoint_auth_method": "none"}
            return Reply(201, body=asked)
        if request.path == "/token":
            form = {name: values[0] for name, values in parse_qs(request.text).items()}
            token = self.token(aud=form["resource"], scope=self.granted)
            told = {"access_token": token, "token_type": "Bearer", "expires_in": 300}
            return Reply(200, body={**told, "scope": self.granted})
        if request.path == "/keys":
            return Reply(
                200,
                body={"keys": [*(_public(name, *key) for name, key in self.keys.items()), *self.extra_keys]},
            )
        return Reply(404)

    def _described(self) -> dict[str, Any]:
        here = self._sink.url
        return {
            "issuer": self.named or self.url,
            "jwks_uri": f"{here}/keys",
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": f"{here}/token",
            "registration_endpoint": f"{here}/register",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        }

    def __enter__(self) -> "Issuer":
        self._sink.__enter__()
        return self

    def __exit__(self, *ended: Any) -> None:
        self._sink.__exit__(*ended)


def _public(name: str, algorithm: str, key: PrivateKey) -> dict[str, Any]:
    shown: Any = get_default_algorithms()[algorithm].to_jwk(key.public_key())
    return {**(json.loads(shown) if isinstance(shown, str) else shown), "kid": name, "use": "sig"}
