"""Growing columns: values come in chunks and become numpy at once, so that no chunk's Python objects are kept.

Pure: no I/O. What a column means is said in `shared.columns`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.columns import FieldColumn, FieldKind, TagColumn

_NUMBERS = frozenset({int, float})


class Codes(dict[Any, int]):
    """Gives every new key the next number, in C speed under `map(codes.__getitem__, values)`."""

    def __missing__(self, key: Any) -> int:
        code = self[key] = len(self)
        return code

    def of(self, values: Sequence[Any]) -> NDArray[np.int32]:
        """The number of each value."""
        return np.fromiter(map(self.__getitem__, values), dtype=np.int32, count=len(values))


class TagBuilder:
    """One tag; None and the empty string both mean that the row lacks it."""

    def __init__(self) -> None:
        self._codes, self._chunks = Codes(), [np.empty(0, np.int32)]

    def add(self, values: Sequence[str | None]) -> None:
        """Append one chunk."""
        self._chunks.append(self._codes.of(values))

    def build(self) -> TagColumn:
        """The column of all chunks."""
        codes = np.concatenate(self._chunks)
        texts = list(self._codes)
        if None in self._codes and "" in self._codes:
            codes[codes == self._codes[None]] = self._codes[""]
        return TagColumn(codes, tuple("" if text is None else str(text) for text in texts))


class FieldBuilder:
    """One field; a value is None, a bool, an int, a float or a string, and may change its type between rows."""

    def __init__(self) -> None:
        self._texts = Codes()
        self._kinds: set[FieldKind] = set()
        self._numbers: list[NDArray[np.float64]] = [np.empty(0, np.float64)]
        self._codes: list[NDArray[np.int32]] = [np.empty(0, np.int32)]

    def add(self, values: Sequence[Any]) -> None:
        """Append one chunk."""
        types = set(map(type, values))
        types.discard(type(None))
        if str not in types:
            # numpy reads None as NaN, but would also read the text "12" as a number.
            self._add_numbers(np.array(values, dtype=np.float64), types)
            return
        self._kinds.add("string")
        self._codes.append(_placed(values, str, self._texts))
        types.discard(str)
        plain = [None if type(value) is str else value for value in values] if types else [None] * len(values)
        self._extend_numbers(np.array(plain, dtype=np.float64), types)

    def build(self) -> FieldColumn:
        """The column of all chunks."""
        numbers, codes = np.concatenate(self._numbers), np.concatenate(self._codes)
        finite = np.isfinite(numbers)
        numbers[~finite] = np.nan
        kind: FieldKind = "empty"
        if self._kinds:
            kind = next(iter(self._kinds)) if len(self._kinds) == 1 else "mixed"
        return FieldColumn(kind, finite | (codes >= 0), numbers, codes, tuple(self._texts))

    def _add_numbers(self, numbers: NDArray[np.float64], types: set[type]) -> None:
        self._codes.append(np.full(len(numbers), -1, np.int32))
        self._extend_numbers(numbers, types)

    def _extend_numbers(self, numbers: NDArray[np.float64], types: set[type]) -> None:
        self._numbers.append(numbers)
        if bool in types:
            self._kinds.add("boolean")
        if types & _NUMBERS:
            self._kinds.add("number")


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
