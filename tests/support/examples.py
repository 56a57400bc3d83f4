"""The examples of docs/conditions.md: a condition, series, and what must come of them slot by slot, played for real.

    {"type": "threshold", "field": "price", "operator": ">", "value": 60000}

    price:   59000   60001   59999
    state:   ok      firing  ok

One column is one slot of 30 s (`every: 60` says otherwise); its points came one second before it. Series are written
in promtool's notation. `state`, `reading` (the value that the rule sees) and `health` (of the rule) are checked where
they are given; a word may be repeated like a value (`okx3`), and a state may name its severity (`firing:critical`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.decide import decide
from shared.model import SEVERITY_WORDS, Health, Reading, SeriesState
from shared.readings import Readings
from shared.rulebook import RuleBook
from shared.seen import CAME_AFTER_ALL
from shared.series import parse_series_key, series_id, series_key
from tests.support.series import EPOCH, Row, book, monitor_row, read, rows, rule_row, values

RULE, MONITOR = "rule_r", "mon_m"
EXPECTED = ("state", "reading", "health")
_LINE = re.compile(r"^([^\s:{]+(?:\{[^}]*\})?): +(.*?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One block: `series` and `expected` map a name such as `usage{host=a}` to its columns as written."""

    condition: Mapping[str, Any]
    series: Mapping[str, str]
    expected: Mapping[str, str]
    every: int = 30

    @property
    def key_tags(self) -> list[str]:
        """The tags that the series are told apart by."""
        return sorted({tag for name in self.series for tag, _ in _tags(name)})


def parsed(block: str) -> Example:
    """The example of a fenced block."""
    condition, _, lines = block.strip().partition("\n\n")
    named = dict(_LINE.findall(lines))
    every = int(named.pop("every", "30"))
    expected = {name: text for name, text in named.items() if name.partition("{")[0] in EXPECTED}
    series = {name: text for name, text in named.items() if name not in expected}
    return Example(json.loads(condition), series, expected, every)


def _tags(name: str) -> list[tuple[str, str]]:
    inside = name.partition("{")[2].rstrip("}")
    return [(tag, value) for tag, _, value in (pair.partition("=") for pair in inside.split(",") if pair)]


@dataclass
class Player:
    """One rule on one monitor, slot by slot: the real book, readings and state machine, with series kept in memory."""

    example: Example
    states: dict[str, SeriesState] = field(default_factory=dict)
    seen: dict[str, Reading] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def slots(self) -> Iterator[Readings]:
        """The readings of every slot, after states and `seen` were brought up to it."""
        step = self.example.every * 1000
        rules = [rule_row(condition=dict(self.example.condition), created_at=EPOCH - step)]
        rule_book = book([monitor_row(key=self.example.key_tags, created_at=EPOCH - step)], rules)
        points: list[Row] = rows(self.example.series, start=EPOCH - 1000, step=step)
        for n in range(max(len(values(text)) for text in self.example.series.values())):
            now = EPOCH + n * step
            readings = read(rule_book.groups[0], [row for row in points if row[0] < now], now)
            self._see(rule_book, readings, now)
            for key, reading in self.seen.items():
                before = self.states.get(key) or SeriesState(RULE, series_id(key), key)
                self.states[key], _ = decide(rule_book.entry(RULE).decide, before, reading, now)
            yield readings

    def _see(self, rule_book: RuleBook, readings: Readings, now: int) -> None:
        """What a tick looks at: series with data, active ones, and those that are expected."""
        self.seen = {readings.key(i): readings.reading(i) for i in range(len(readings))}
        self.known.update(self.seen)
        expects = rule_book.expects(RULE)
        active = {key for key, state in self.states.items() if state.active}
        for key in active | (self.known if expects else set()):
            if key not in self.seen:
                whole = not parse_series_key(key)[1] and self.example.key_tags
                self.seen[key] = CAME_AFTER_ALL if whole and self.known else readings.absent(RULE, key)
        stand_in = rule_book.monitor(MONITOR).stand_in
        if expects and not self.known and rule_book.overdue(RULE, MONITOR, now):
            self.seen[stand_in] = readings.absent(RULE, stand_in)


def check(example: Example) -> None:
    """AssertionError naming the first line and column where something else comes out."""
    player = Player(example)
    columns = {name: _expanded(text) for name, text in example.expected.items()}
    assert columns, "an example expects something"
    for n, readings in enumerate(player.slots()):
        health = readings.unhealthy().get(RULE, (Health.OK, ""))[0].value
        for name, words in columns.items():
            assert n < len(words), f"{name} has no column {n + 1}"
            what, key = name.partition("{")[0], series_key(MONITOR, _tags(name))
            if what == "state":
                found = _state(player.states.get(key), words[n])
            elif what == "reading":
                found = _value(player.seen.get(key), words[n])
            else:
                found = health
            assert found == words[n], f"{name}, column {n + 1}: {found} instead of {words[n]}"


def _expanded(text: str) -> list[str]:
    """The words of a line; `okx3` is one and three more of it."""
    found: list[str] = []
    for word in re.findall(r'"[^"]*"|\S+', text):
        repeated = re.fullmatch(r"([a-z_:]+?)x(\d+)", word)
        found += [repeated[1]] * (int(repeated[2]) + 1) if repeated else [word]
    return found


def _state(state: SeriesState | None, wanted: str) -> str:
    phase = state.phase.value if state else "ok"
    if state and ":" in wanted and state.level == SEVERITY_WORDS.get(wanted.partition(":")[2]):
        return f"{phase}:{wanted.partition(':')[2]}"
    return phase


def _value(reading: Reading | None, wanted: str) -> str:
    if reading is None or (reading.value is None and not reading.text):
        return "_"
    if reading.text:
        return f'"{reading.text}"'
    close = wanted != "_" and wanted[0] != '"' and reading.value == pytest.approx(float(wanted), rel=1e-5)
    return wanted if close else str(reading.value)
