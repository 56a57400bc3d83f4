"""Points as line protocol, and sending them to a write endpoint. It measures nothing."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx

from shared.errors import InvalidInput, Unavailable, redact_url

SETTING = "TOCSIN_WRITE_URL"
TIMEOUT = httpx.Timeout(5.0, connect=3.0)

_NAME = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\=", "\n": "\\ ", "\r": "\\ "})
_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ ", "\n": "\\ ", "\r": "\\ "})
_ESCAPING = re.compile(r"\\+(?=[,= \n\r]|\Z)")
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\"})


@dataclass(frozen=True, slots=True)
class Point:
    """What was seen of one thing at one moment. `time` is epoch milliseconds UTC."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, bool | int | float | str]
    time: int


def line(point: Point) -> str:
    """One line, its timestamp in milliseconds. Line protocol can't say an empty tag: it is left out."""
    tags = "".join(
        f",{_name(tag)}={_name(value)}" for tag, value in sorted(point.tags.items()) if _name(value)
    )
    fields = ",".join(f"{_name(name)}={_value(value)}" for name, value in point.fields.items())
    return f"{_unescapable(point.measurement).translate(_MEASUREMENT)}{tags} {fields} {point.time}"


def send(url: str, points: Iterable[Point], token: str = "") -> int:
    """Write points to `url`, an InfluxDB-compatible write endpoint, and return how many.

    A URL without a path means `/write`. Raises Unavailable unless the points were accepted, so that the tick which
    caused them is repeated.
    """
    body = "\n".join(lines := [line(point) for point in points])
    if not lines:
        return 0
    target = _endpoint(url)
    headers = {"Content-Type": "text/plain; charset=utf-8"} | (
        {"Authorization": f"Token {token}"} if token else {}
    )
    try:
        reply = httpx.post(target, content=body.encode(), headers=headers, timeout=TIMEOUT, trust_env=False)
    except httpx.HTTPError as error:
        raise Unavailable("the write endpoint", url, str(error) or type(error).__name__, SETTING) from error
    if not reply.is_success:
        why = f"it answered {reply.status_code}: {reply.text[:300].strip()}"
        raise Unavailable("the write endpoint", url, why, SETTING)
    return len(lines)


def _endpoint(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        target = httpx.URL()
    if target.scheme not in ("http", "https") or not target.host:
        valid = "it must be the URL of a write endpoint, such as http://write/write?db=tocsin"
        raise InvalidInput(SETTING, redact_url(url), valid)
    if target.path == "/":
        target = target.copy_with(path="/write")
    return target.copy_merge_params({"precision": "ms"})


def _unescapable(text: str) -> str:
    """Without backslashes before what has to be escaped, or at the end: they'd escape it, and can't be escaped."""
    return _ESCAPING.sub("", text)


def _name(text: str) -> str:
    return _unescapable(text).translate(_NAME)


def _value(value: bool | int | float | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    return repr(value) if isinstance(value, float) else f'"{value.translate(_TEXT)}"'
