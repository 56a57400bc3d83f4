"""Annotated CSV, as InfluxDB answers Flux: bytes to chunks of rows. Pure: it reads what it is given and knows no query.

A body is a row of sections. Each begins with annotations and a header, and holds tables of one schema; which result
they belong to stands in an annotation. An error may come as a section of its own behind good rows, under status 200.
"""

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import QueryFailed

CHUNK_ROWS = 10_000

_BESIDE = 3
"""The first columns are the annotation's, the result's and the table's; a tag may be called `result` or `table` too."""


def _flag(cell: str) -> bool:
    if cell not in ("true", "false"):
        raise ValueError(f"{cell!r} is no boolean")
    return cell == "true"


# Null and the empty string are both an empty cell. No field of InfluxDB is ever null, so of a string it is a text.
_READ: Mapping[str, Callable[[str], Any]] = {
    "double": float,
    "long": float,
    "unsignedLong": float,
    "boolean": _flag,
    "string": str,
}


@dataclass(frozen=True)
class Chunk:
    """Some rows of one schema: of each column its name, type and cells."""

    result: str
    types: Mapping[str, str]
    columns: Mapping[str, Sequence[str]]
    rows: int

    def values(self, name: str = "_value") -> list[Any]:
        """A column as Python's types, None for null. Raises KeyError without it, ValueError for what no field holds."""
        kind, cells = self.types[name], self.columns[name]
        if kind not in _READ:
            raise ValueError(f"no field has the type {kind}")
        if kind == "string":
            return list(cells)
        read = _READ[kind]
        return [read(cell) if cell else None for cell in cells] if "" in cells else list(map(read, cells))


@dataclass
class _Section:
    types: Sequence[str] = ()
    defaults: Sequence[str] = ()
    names: Sequence[str] = ()


def chunks(parts: Iterable[bytes], what: str) -> Iterator[Chunk]:
    """The rows of an answer that arrives in parts, some at a time. Raises QueryFailed for errors inside it."""
    section, rows = _Section(), list[list[str]]()
    try:
        for cells in csv.reader(_lines(parts), strict=True):
            if not cells:
                continue
            if section.names and not cells[0]:
                rows.append(cells)
                if len(rows) < CHUNK_ROWS:
                    continue
            if rows:
                yield _chunk(section, rows, what)
                rows = []
            if cells[0]:
                section = _annotated(section, cells)
            elif not section.names:
                section.names = cells
        if rows:
            yield _chunk(section, rows, what)
    except (csv.Error, UnicodeDecodeError) as error:
        raise QueryFailed(f"{what}: the metric store answered no readable CSV: {error}") from None


def _annotated(section: _Section, cells: Sequence[str]) -> _Section:
    """The section that an annotation belongs to: the first one behind rows begins a new one."""
    if section.names:
        section = _Section()
    if cells[0] == "#datatype":
        section.types = cells
    elif cells[0] == "#default":
        section.defaults = cells
    elif cells[0] != "#group":
        # Not ours: a page of some proxy, for example.
        raise csv.Error(f"a line begins with {cells[0][:80]!r}")
    return section


def _chunk(section: _Section, rows: Sequence[Sequence[str]], what: str) -> Chunk:
    names, wide = section.names, len(section.names)
    if names[1:2] == ["error"]:
        raise QueryFailed(f"{what}: the metric store says: {','.join(rows[0][1:2])[:500]}")
    if not len(section.types) == len(section.defaults) == wide > _BESIDE:
        raise csv.Error(f"the columns {','.join(names)[:200]} are not annotated")
    if set(map(len, rows)) != {wide}:
        raise csv.Error(f"a row doesn't have {wide} cells")
    _, results, _, *columns = zip(*rows, strict=True)
    named, types = names[_BESIDE:], section.types[_BESIDE:]
    return Chunk(
        results[0] or section.defaults[1],
        dict(zip(named, types, strict=True)),
        dict(zip(named, columns, strict=True)),
        len(rows),
    )


def _lines(parts: Iterable[bytes]) -> Iterator[str]:
    """The lines with their ends: a quoted cell may go on in the next one.

    Go's CSV writer makes CRLF of the line ends inside of cells too, and drops their other CRs.
    """
    decoder, rest = codecs.getincrementaldecoder("utf-8")(), ""
    for part in parts:
        whole, end, rest = (rest + decoder.decode(part)).rpartition("\n")
        # StringIO splits at line feeds and nowhere else, at the speed of C.
        yield from StringIO((whole + end).replace("\r\n", "\n"))
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest


def nanoseconds(cells: Sequence[str]) -> NDArray[np.int64]:
    """Times of RFC 3339 in UTC, with any number of decimals. Raises ValueError for others."""
    if not all(cell.endswith("Z") for cell in cells):
        raise ValueError("a time that is not UTC")
    # numpy knows no zones, and all of these are UTC.
    return np.array([cell[:-1] for cell in cells], "datetime64[ns]").astype(np.int64)
