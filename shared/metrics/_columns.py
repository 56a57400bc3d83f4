"""Growing columns: values come in chunks and become numpy at once, so that no chunk's Python objects are kept.

Pure: no I/O. What a column means is said in `shared.columns`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.columns import LATEST, NUMBERS, AggregateQuery, FieldColumn, FieldKind, Partials, TagColumn

Scalar = TypeVar("Scalar", bound=np.generic)

_NUMBERS = frozenset({int, float})


class Codes(dict[Any, int]):
    """Gives every new key the next number, in C speed under `map(codes.__getitem__, values)`."""

    def __missing__(self, key: Any) -> int:
        code = self[key] = len(self)
        return code

    def of(self, values: Sequence[Any]) -> NDArray[np.int32]:
        """The number of each value."""
        return np.fromiter(map(self.__getitem__, values), dtype=np.int32, count=len(values))


class Growing(Generic[Scalar]):
    """One array that chunks are appended to. It grows where it lies: a million rows are never there twice."""

    def __init__(self, kind: type[Scalar]) -> None:
        self._array: NDArray[Scalar] = np.empty(0, kind)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, chunk: NDArray[Scalar]) -> None:
        """Append one chunk."""
        size = self._size + len(chunk)
        if size > len(self._array):
            # Nobody else knows of the array yet. The system moves pages and not bytes when a large one grows.
            self._array.resize(size + size // 8, refcheck=False)
        self._array[self._size : size] = chunk
        self._size = size

    def build(self) -> NDArray[Scalar]:
        """All chunks as one array; nothing can be added any more."""
        self._array.resize(self._size, refcheck=False)
        return self._array


class TagBuilder:
    """One tag; None and the empty string both mean that the row lacks it."""

    def __init__(self) -> None:
        self._codes, self._column = Codes(), Growing(np.int32)

    def add(self, values: Sequence[str | None]) -> None:
        """Append one chunk."""
        self._column.add(self._codes.of(values))

    def build(self) -> TagColumn:
        """The column of all chunks."""
        codes = self._column.build()
        texts = list(self._codes)
        if None in self._codes:
            codes[codes == self._codes[None]] = self._codes.get("", self._codes[None])
            texts = ["" if text is None else text for text in texts]
        return TagColumn(codes, tuple(map(str, texts)))


class FieldBuilder:
    """One field; a value is None, a bool, an int, a float or a string, and may change its type between rows."""

    def __init__(self) -> None:
        self._texts = Codes()
        self._kinds: set[FieldKind] = set()
        self._numbers, self._codes = Growing(np.float64), Growing(np.int32)

    def add(self, values: Sequence[Any]) -> None:
        """Append one chunk."""
        types = set(map(type, values))
        types.discard(type(None))
        if str in types:
            self._kinds.add("string")
            self._add_codes(_placed(values, str, self._texts))
            types.discard(str)
            values = (
                [None if type(value) is str else value for value in values] if types else [None] * len(values)
            )
        elif self._texts:
            self._add_codes(no_texts(len(values)))
        # numpy reads None as NaN, but would also read the text "12" as a number.
        self._numbers.add(np.array(values, dtype=np.float64))
        if bool in types:
            self._kinds.add("boolean")
        if types & _NUMBERS:
            self._kinds.add("number")

    def build(self) -> FieldColumn:
        """The column of all chunks."""
        numbers = self._numbers.build()
        codes = self._codes.build() if self._texts else no_texts(len(numbers))
        finite = np.isfinite(numbers)
        if not finite.all():
            numbers[~finite] = np.nan
        kind: FieldKind = "empty"
        if self._kinds:
            kind = next(iter(self._kinds)) if len(self._kinds) == 1 else "mixed"
        present = finite | (codes >= 0) if self._texts else finite
        return FieldColumn(kind, present, numbers, codes, tuple(self._texts))

    def _add_codes(self, codes: NDArray[np.int32]) -> None:
        """The codes of a chunk whose numbers are not there yet; no row before the first text has one."""
        self._codes.add(no_texts(len(self._numbers) - len(self._codes)))
        self._codes.add(codes)


class PartialsBuilder:
    """The rows of an aggregate query, part by part, in chunks."""

    def __init__(self, query: AggregateQuery) -> None:
        self._parts: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
        self._times: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        self._tags = {name: TagBuilder() for name in query.tags}
        self._latest = FieldBuilder()
        self._numbers = {name: [np.empty(0, np.float64)] for name in NUMBERS}

    def add(
        self,
        part: int,
        times: NDArray[np.int64],
        tags: Mapping[str, Sequence[str | None]],
        values: Mapping[str, Sequence[Any]],
    ) -> None:
        """Append rows of one part: `tags` by name (a missing one is absent), `values` by function."""
        count = len(times)
        self._parts.append(np.full(count, part, np.int32))
        self._times.append(times)
        nothing = [None] * count
        for name, builder in self._tags.items():
            builder.add(tags.get(name, nothing))
        self._latest.add(values.get(LATEST, nothing))
        for name, chunks in self._numbers.items():
            chunks.append(np.array(values.get(name, nothing), np.float64))

    def build(self, bytes_read: int = 0) -> Partials:
        """All rows of all parts."""
        return Partials(
            np.concatenate(self._parts),
            np.concatenate(self._times),
            {name: builder.build() for name, builder in self._tags.items()},
            self._latest.build(),
            {name: np.concatenate(chunks) for name, chunks in self._numbers.items()},
            bytes_read,
        )


def no_texts(rows: int) -> NDArray[np.int32]:
    """The codes of rows without texts, in the memory of one."""
    return np.broadcast_to(np.int32(-1), rows)


def empty_tag(rows: int) -> TagColumn:
    """A tag that no row has."""
    return TagColumn(np.zeros(rows, np.int32), ("",))


def empty_field(rows: int) -> FieldColumn:
    """A field that no row has."""
    codes, numbers = np.full(rows, -1, np.int32), np.full(rows, np.nan)
    return FieldColumn("empty", np.zeros(rows, np.bool_), numbers, codes)


def scattered(column: FieldColumn, places: NDArray[np.intp], rows: int) -> FieldColumn:
    """The same values at other rows: `places[i]` is the new row of row `i`; the remaining rows have no value."""
    wide = empty_field(rows)
    for new, old in (
        (wide.present, column.present),
        (wide.numbers, column.numbers),
        (wide.codes, column.codes),
    ):
        new[places] = old
    return FieldColumn(column.kind, wide.present, wide.numbers, wide.codes, column.texts)


def _placed(values: Sequence[Any], wanted: type, codes: Codes) -> NDArray[np.int32]:
    """The codes of the values of one type, -1 elsewhere."""
    return np.fromiter(
        (codes[value] if type(value) is wanted else -1 for value in values), dtype=np.int32, count=len(values)
    )
