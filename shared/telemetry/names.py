"""Every metric and span that Tocsin sends: the only place that spells their names. Pure.

Names and units follow OpenTelemetry's conventions. What Prometheus makes of them is `prometheus_names`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PREFIX = "tocsin."
"""Before the name of every attribute of ours."""

_SECONDS_OF_WORK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 25)
"""A claim of 30 s lasts 25 s."""
_SECONDS_OF_WAITING = (1, 2.5, 5, 10, 15, 20, 30, 45, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Metric:
    """One instrument. `attributes` are without their prefix; `bounds` are the upper bounds of a histogram's buckets."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


TICK_DURATION = Metric(
    "tocsin.tick.duration", "histogram", "s", "Time that a tick took", ("shard",), _SECONDS_OF_WORK
)
STAGE_DURATION = Metric(
    "tocsin.tick.stage.duration",
    "histogram",
    "s",
    "Time that a stage of a tick took",
    ("shard", "stage"),
    _SECONDS_OF_WORK,
)
TICK_LAG = Metric("tocsin.tick.lag", "gauge", "s", "From the newest slot to the end of its tick", ("shard",))
SKIPPED = Metric("tocsin.tick.skipped", "counter", "{slot}", "Slots that no tick evaluated", ("shard",))
ERRORS = Metric("tocsin.tick.errors", "counter", "{error}", "What went wrong in ticks", ("shard",))
QUERIES = Metric("tocsin.tick.queries", "counter", "{query}", "Queries to metric stores", ("shard",))
TRANSITIONS = Metric(
    "tocsin.tick.transitions", "counter", "{transition}", "Changes of the state of a series", ("shard",)
)
RULES = Metric("tocsin.rules", "gauge", "{rule}", "Rules in the rule book")
SERIES = Metric("tocsin.series", "gauge", "{series}", "Series that the newest tick looked at", ("shard",))
OUTBOX = Metric("tocsin.outbox.size", "gauge", "{event}", "Events that the Broker has not taken")
EVENTS = Metric(
    "tocsin.events", "counter", "{event}", "Events posted to the Broker; accepted or refused", ("outcome",)
)
DELIVERIES = Metric(
    "tocsin.deliveries", "counter", "{delivery}", "Deliveries by what came of them", ("kind", "outcome")
)
DELIVERY_DELAY = Metric(
    "tocsin.delivery.delay",
    "histogram",
    "s",
    "From the slot of what is told to the answer of its vendor",
    ("kind",),
    _SECONDS_OF_WAITING,
)
DEAD_LETTERS = Metric(
    "tocsin.dead_letters", "counter", "{event}", "Events that the Broker gave up on", ("kind",)
)

METRICS: tuple[Metric, ...] = (
    TICK_DURATION,
    STAGE_DURATION,
    TICK_LAG,
    SKIPPED,
    ERRORS,
    QUERIES,
    TRANSITIONS,
    RULES,
    SERIES,
    OUTBOX,
    EVENTS,
    DELIVERIES,
    DELIVERY_DELAY,
    DEAD_LETTERS,
)

_UNITS: Mapping[str, str] = {"s": "_seconds"}


def prometheus_names(metric: Metric) -> tuple[str, ...]:
    """The names that Prometheus gives the series of a metric that comes by OTLP.

    Of the specification "Prometheus and OpenMetrics Compatibility": what is no letter or digit becomes `_`, the unit is
    added in full, units in braces are not, and a counter ends in `_total`.
    """
    name = metric.name.replace(".", "_") + _UNITS.get(metric.unit, "")
    if metric.kind == "counter":
        return (f"{name}_total",)
    if metric.kind == "histogram":
        return tuple(f"{name}_{part}" for part in ("bucket", "sum", "count"))
    return (name,)


def prometheus_label(attribute: str) -> str:
    """The label that Prometheus makes of an attribute of ours."""
    return (PREFIX + attribute).replace(".", "_")
