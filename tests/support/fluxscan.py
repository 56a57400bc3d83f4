"""A model of Flux's scanner, as its grammar (scanner.rl) reads literals: what text is to Flux, token by token.

The trap that it knows: inside of a string, `$` swallows the character behind it, also a backslash; `${` is an
expression.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<comment>//[^\n]*)
    |(?P<string>"(?:\\(?:[nrt\\"]|\$\{|x[0-9a-fA-F]{2})|\$[^{"]|[^"\\$])*")
    |(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)
    |(?P<number>\d+[a-z]*)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<mark>\|>|=>|==|[-()\[\]{},:=.])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\", '"': b'"'}


class Token(NamedTuple):
    kind: str
    text: str


def scan(statement: str) -> Iterator[Token]:
    """The tokens of a statement, strings by their value. Raises ValueError where Flux knows no token."""
    at = 0
    while at < len(statement):
        found = _TOKEN.match(statement, at)
        if found is None:
            raise ValueError(f"no token begins at {statement[at : at + 40]!r}")
        at, kind = found.end(), str(found.lastgroup)
        if kind == "string":
            yield Token(kind, _value(found.group()[1:-1]))
        elif kind != "space":
            yield Token(kind, found.group())


def _value(inside: str) -> str:
    """What a string literal means; `\\xHH` are bytes."""
    parts = re.split(r"(\$.|\\x..|\\\$\{|\\.)", inside, flags=re.DOTALL)
    return b"".join(_part(part) for part in parts).decode()


def _part(part: str) -> bytes:
    if part.startswith("\\x"):
        return bytes([int(part[2:], 16)])
    if part.startswith("\\"):
        return _ESCAPES.get(part[1:], part[1:].encode())
    return part.encode()
