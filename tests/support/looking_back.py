"""Backtests over series in promtool's notation: a metric store that answers from memory, and a rule on it."""

from collections.abc import Mapping
from typing import Any

from shared.backtest import Past, Proposal, backtest
from shared.backtest.findings import Found
from shared.columns import AggregateQuery, Discovered, Partials, SampleQuery, Samples
from shared.errors import QueryFailed
from shared.metrics import MetricStore
from tests.support.series import EPOCH, STEP, Row, monitor_row, rows, rule_row, samples


class Memory(MetricStore):
    """Answers from rows, in any order, as a store may; `queries` are those it was asked. `words` fails them all."""

    reduces = True

    def __init__(self, points: list[Row], words: str = "") -> None:
        self._points, self._words = points, words
        self.queries: list[SampleQuery] = []

    def read(self, query: SampleQuery, timeout_seconds: float) -> Samples:
        assert 0 < timeout_seconds <= 30
        self.queries.append(query)
        if self._words:
            raise QueryFailed(self._words)
        inside = [row for row in self._points if query.start <= row[0] < query.stop]
        return samples(inside, query.tags, query.fields)

    def aggregate(self, query: AggregateQuery, timeout_seconds: float) -> Partials:
        raise AssertionError("a backtest reads every point")

    def discover(self, database: str = "", measurement: str | None = None) -> list[Discovered]:
        raise NotImplementedError

    def write(self, lines: bytes, database: str = "", precision: str = "ns") -> int:
        raise AssertionError("a backtest writes nothing")

    def ping(self, timeout_seconds: float) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Store:
    """Ports with one metric store."""

    def __init__(self, points: list[Row], words: str = "") -> None:
        self.memory = Memory(points, words)

    def metrics(self, source: str = "default") -> MetricStore:
        return self.memory


def found(
    series: Mapping[str, str],
    condition: Mapping[str, Any] | str,
    *,
    slots: int,
    suggestions: bool = False,
    **rule: Any,
) -> Found:
    """What a rule on `cpu` by host would have done; slot i sees value i as the newest one. No grouping or cooldown."""
    row = rule_row("r", condition, **{"cooldown_seconds": 0, "group_seconds": 0, **rule})
    past = Past(EPOCH, EPOCH + slots * STEP, STEP, 0)
    points = rows(series, start=past.slots()[0] - 1000)
    return backtest(Store(points), Proposal(row, (monitor_row(),)), past, suggestions=suggestions)


def slot(number: int) -> int:
    """The time of a slot of `found`."""
    return int(Past(EPOCH, EPOCH + STEP, STEP, 0).slots()[0]) + number * STEP
