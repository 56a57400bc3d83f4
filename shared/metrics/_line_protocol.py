"""Line protocol, as InfluxDB reads it: bytes to points. Pure; the clock is the argument `now`.

One line is parsed by `line-protocol-parser`; this file finds the lines (a quoted text may hold line ends), adds
times and precision, and says what is wrong in which line. A batch is read whole or refused whole.

Three differences from a server: `3u` (unsigned) is kept as an integer, a field that is given twice in one line
keeps its first value, and a number nearer to zero than 2.3e-308 is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from line_protocol_parser import LineFormatError, parse_line

from shared.errors import InvalidInput

FieldValue = bool | int | float | str

# v1 says n and u, v2 says ns and us; Telegraf and the client libraries use both.
UNITS: Mapping[str, int] = {
    "": 1,
    "n": 1,
    "ns": 1,
    "u": 1_000,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
GRAMMAR = 'expected: measurement,tag=value number=1.5,integer=2i,flag=true,text="…" timestamp'

_MAX_NS = 2**63 - 2
_SPECIAL = re.compile(r'\\.|[ "=,]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Point:
    """One line. `time` is epoch nanoseconds UTC; `fields` has at least one entry."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, FieldValue]
    time: int


def parse(body: bytes, precision: str, now: int) -> list[Point]:
    """The points of a batch; lines without a timestamp get `now` (epoch nanoseconds UTC).

    Raises InvalidInput that names the first bad line; then nothing of the batch may be kept.
    """
    unit = unit_of(precision)
    default = now // unit * unit
    points = []
    for number, line in split(decode(body)):
        try:
            parsed = parse_line(line)
        except LineFormatError as error:
            raise InvalidInput(f"line {number}", line, f"{str(error).rstrip('.')}; {GRAMMAR}") from None
        time = default if parsed["time"] is None else parsed["time"] * unit
        if abs(time) > _MAX_NS:
            valid = f"its timestamp must be within 1677 and 2262 in {precision or 'ns'}"
            raise InvalidInput(
                f"line {number}", line, valid, "Does `precision` name the unit of the timestamps?"
            )
        if "time" in parsed["tags"] or "time" in parsed["fields"]:
            raise InvalidInput(
                f"line {number}", line, "time is the timestamp's name; no tag or field may have it"
            )
        points.append(Point(parsed["measurement"], parsed["tags"], parsed["fields"], time))
    return points


def unit_of(precision: str) -> int:
    """Nanoseconds in one unit of a precision."""
    if precision not in UNITS:
        raise InvalidInput("precision", precision, "valid are ns, us, ms, s (v1 also n, u, m, h)")
    return UNITS[precision]


def decode(body: bytes) -> str:
    """The text of a batch."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        number = body.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"line {number}", body[error.start : error.start + 20], "text must be UTF-8"
        ) from None


def split(text: str) -> Iterator[tuple[int, str]]:
    """Each point's text with the number of its first line; empty lines and comments are left out."""
    started, parts, quoting = 0, list[str](), _Quoting()
    for number, line in enumerate(text.split("\n"), 1):
        if not parts:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            line = line.lstrip()
            started, quoting = number, _Quoting()
        parts.append(line)
        if '"' in line or quoting.open:
            quoting.read(line)
        if not quoting.open:
            yield started, "\n".join(parts)
            parts = []
    if parts:
        valid = f"a quoted text begins here and doesn't end; {GRAMMAR}"
        raise InvalidInput(f"line {started}", "\n".join(parts), valid)


class _Quoting:
    """Whether a quoted text is open at the end of what was read; quotes count in field values only."""

    def __init__(self) -> None:
        self.open = False
        self._fields = False
        self._equals = self._commas = 0

    def read(self, line: str) -> None:
        for match in _SPECIAL.finditer(line):
            mark = match.group()
            if mark == '"' and self._equals > self._commas:
                self.open = not self.open
            elif self.open or len(mark) > 1:
                continue
            elif mark == " ":
                self._fields = True
            elif self._fields:
                self._equals += mark == "="
                self._commas += mark == ","
