"""Strict reading of one YAML mapping: what is not taken or named as meaningless is an error.

Must not know any Kubernetes kind: the views in resources.py and workloads.py say which fields exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from knative.local.errors import ManifestError

T = TypeVar("T")


class Fields:
    """One mapping of a manifest, with the file and dotted path it stands at: every error names them."""

    def __init__(self, value: object, file: str, path: str = "") -> None:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise ManifestError(file, path or "(document)", value, "a mapping")
        self.file = file
        self.path = path
        self._values: dict[str, object] = dict(value)
        self._known: set[str] = set()

    def at(self, key: str) -> str:
        """The dotted path of `key` in this document."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Whether `key` is present with something other than null; it does not count as read."""
        return self._values.get(key) is not None

    def refuse(self, key: str, supported: str) -> ManifestError:
        """The error for `key` as it stands."""
        return ManifestError(self.file, self.at(key), self._values.get(key), supported)

    def _typed(self, key: str, kind: type[T], article: str, default: T | None) -> T:
        self._known.add(key)
        value = self._values.get(key)
        if value is None:
            if default is None:
                raise ManifestError(self.file, self.at(key), None, article)
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.refuse(key, article)
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A string; required unless there is a default."""
        return self._typed(key, str, "a string", default)

    def number(self, key: str, default: int | None = None) -> int:
        """A whole number; required unless there is a default."""
        return self._typed(key, int, "a whole number", default)

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean."""
        return self._typed(key, bool, "true or false", default)

    def items(self, key: str) -> list[object]:
        """A list; empty when absent."""
        return self._typed(key, list, "a list", [])

    def strings(self, key: str) -> dict[str, str]:
        """A mapping of strings to strings; empty when absent."""
        found = self._typed(key, dict, "a mapping", {})
        for name, value in found.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise ManifestError(self.file, f"{self.at(key)}.{name}", value, "a string (quote it)")
        return found

    def words(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty when absent."""
        found = self.items(key)
        for index, value in enumerate(found):
            if not isinstance(value, str):
                raise ManifestError(self.file, f"{self.at(key)}[{index}]", value, "a string (quote it)")
        return tuple(str(value) for value in found)

    def below(self, key: str) -> Fields:
        """The mapping under `key`; empty when absent."""
        self._known.add(key)
        return Fields(self._values.get(key), self.file, self.at(key))

    def each(self, key: str) -> list[Fields]:
        """The mappings in the list under `key`."""
        return [Fields(item, self.file, f"{self.at(key)}[{i}]") for i, item in enumerate(self.items(key))]

    def choice(self, key: str, allowed: Mapping[str, T], default: str) -> T:
        """One of the named values."""
        value = self.text(key, default)
        if value not in allowed:
            raise self.refuse(key, " or ".join(sorted(allowed)))
        return allowed[value]

    def done(self, meaningless: Iterable[str] = ()) -> None:
        """Raise for the first field that was neither read nor named as having no meaning on one machine."""
        ignored = set(meaningless)
        for key in self._values:
            if key not in self._known and key not in ignored:
                raise self.refuse(key, ", ".join(sorted(self._known | ignored)) or "nothing here")
