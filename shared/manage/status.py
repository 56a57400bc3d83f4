"""The state of everything in one look: what `GET /status` and `tocsin status` show.

A dozen statements, however much there is; nothing is asked of metric stores or vendors, so it answers while they hang.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal, Protocol

from shared.leases import Leases
from shared.manage import ports
from shared.model import Health, Millis, Severity
from shared.settings import Settings
from shared.store import listing, migrate, overview, own, ticks
from shared.store.engine import Tx
from shared.store.overview import OpenDeliveries
from shared.store.ticks import Pace

TICKS = 10
LATE_INTERVALS = 3
"""After so many intervals without a tick something is wrong."""

Counts = Mapping[str, Any]


class Ports(ports.Ports, Protocol):
    """What the use cases need, and Redis."""

    @property
    def leases(self) -> Leases: ...


@dataclass(frozen=True, slots=True)
class TickStatus:
    """One tick. `age_seconds`: since its slot, by the database's clock."""

    slot: Millis
    shard: str
    age_seconds: int
    total_ms: int
    stages_ms: Mapping[str, int]
    rules: int
    series: int
    skipped: int
    errors: int
    error: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything, as counts. `problems`: what is not as it should be, one sentence each; none means all is well.

    Rows of `sources`, `channels` and `dead_letters` are those of `tocsin_source`, `tocsin_deliveries` and so on in
    Tocsin's own numbers; `error` is what the metric store, or the Broker, said last.
    """

    at: Millis
    tenant: str
    version: str
    schema: str
    schema_needed: str
    redis: Literal["up", "down", "not configured"]
    heartbeat: bool
    problems: tuple[str, ...]
    ticks: tuple[TickStatus, ...]
    rules: Mapping[str, int]
    open_alerts: Mapping[str, Counts]
    outbox: Counts
    deliveries: OpenDeliveries
    channels: tuple[Counts, ...]
    dead_letters: Mapping[str, int]
    sources: tuple[Counts, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """What one transaction found."""

    now: Millis
    ticks: tuple[TickStatus, ...]
    pace: Pace | None
    own: Mapping[str, Sequence[Counts]]
    alerts: Mapping[str, Counts]
    deliveries: OpenDeliveries
    disabled: int
    source_errors: Mapping[str, str]
    broker_error: str


def get_status(found: Ports) -> Status:
    """The state of everything of the tenant. Raises Unavailable when the database can't be reached."""
    settings, schema = found.settings, migrate.revision(found.store)
    kinds = {channel.name: channel.kind for channel in found.channels.channels}
    read = found.store.read(lambda tx: _read(tx, kinds))
    redis = _redis(settings, found.leases)
    sources = tuple(_sources(settings, read))
    health = {row["health"]: row["count"] for row in read.own["tocsin_rules"]}
    return Status(
        at=read.now,
        tenant=settings.tenant,
        version=version("tocsin"),
        schema=schema,
        schema_needed=migrate.NEWEST,
        redis=redis,
        heartbeat=bool(settings.heartbeat_url.get_secret_value()),
        problems=tuple(_problems(read, redis, sources, health)),
        ticks=read.ticks,
        rules={**health, "disabled": read.disabled},
        open_alerts=read.alerts,
        outbox={**read.own["tocsin_outbox"][0], "error": read.broker_error},
        deliveries=read.deliveries,
        channels=tuple(_channels(read.own)),
        dead_letters={row["kind"]: row["open"] for row in read.own["tocsin_dead_letters"]},
        sources=sources,
    )


def _read(tx: Tx, kinds: Mapping[str, str]) -> _Read:
    now = tx.now()
    asked = own.Asked(now, now + 1, kinds)
    seen = {name: _named(name, own.read(tx, name, asked)) for name in _OWN}
    alerts = {
        Severity(one.severity).word: {"count": one.count, "acknowledged": one.acknowledged}
        for one in overview.open_alerts(tx)
    }
    newest = tuple(_tick(row, now) for row in listing.ticks_page(tx, limit=TICKS).items)
    return _Read(
        now,
        newest,
        ticks.pace(tx),
        seen,
        alerts,
        overview.open_deliveries(tx),
        overview.disabled_rules(tx),
        overview.source_errors(tx),
        overview.broker_error(tx),
    )


_OWN = (
    "tocsin_source",
    "tocsin_rules",
    "tocsin_outbox",
    "tocsin_deliveries",
    "tocsin_channel",
    "tocsin_dead_letters",
)


def _named(measurement: str, rows: Sequence[own.Row]) -> list[Counts]:
    """Rows of Tocsin's own numbers by the names of their columns, without their time."""
    one = own.MEASUREMENTS[measurement]
    return [dict(zip((*one.tags, *one.fields), row[1:], strict=True)) for row in rows]


def _tick(row: listing.TickRow, now: Millis) -> TickStatus:
    return TickStatus(
        row.slot,
        row.shard,
        max(0, now - row.slot) // 1000,
        row.total_ms,
        json.loads(row.stages_ms),
        row.rules,
        row.series,
        row.skipped,
        row.errors,
        row.error,
    )


def _redis(settings: Settings, leases: Leases) -> Literal["up", "down", "not configured"]:
    if not settings.redis_url.get_secret_value():
        return "not configured"
    return "up" if leases.available else "down"


def _sources(settings: Settings, read: _Read) -> list[Counts]:
    """Every configured metric store, also one that no rule looks at, and those that rules still name."""
    unused = {"unreachable": 0, "failing": 0, "groups": 0}
    rows = {name: {"source": name, **unused} for name in settings.sources}
    rows |= {row["source"]: dict(row) for row in read.own["tocsin_source"]}
    return [{**row, "error": read.source_errors.get(name, "")} for name, row in rows.items()]


def _channels(seen: Mapping[str, Sequence[Counts]]) -> list[Counts]:
    failing = {row["channel"]: row["failing"] for row in seen["tocsin_channel"]}
    return [{**row, "failing": failing.get(row["channel"], 0)} for row in seen["tocsin_deliveries"]]


def _problems(read: _Read, redis: str, sources: Sequence[Counts], health: Mapping[str, int]) -> list[str]:
    """What is not as it should be, the worst first."""
    found = []
    interval_ms = read.pace.interval_ms if read.pace else 0
    if not read.ticks:
        found.append("there was no tick yet")
    elif interval_ms and read.ticks[0].age_seconds * 1000 > LATE_INTERVALS * interval_ms:
        found.append(f"the newest tick was {read.ticks[0].age_seconds} s ago")
    found += [
        f"metric store {one['source']!r} is unreachable: {one['error']}"
        for one in sources
        if one["unreachable"]
    ]
    if broken := health.get(Health.ERROR.value, 0):
        found.append(f"{_some(broken, 'rule')} can't be evaluated")
    waiting = read.own["tocsin_outbox"][0]
    if count := waiting["unpublished"]:
        waits = "waits" if count == 1 else "wait"
        why = f": {read.broker_error}" if read.broker_error else ""
        since = f"for {waiting['oldest_seconds']} s"
        found.append(f"{_some(count, 'event')} {waits} for the Broker, {since}{why}")
    for row in _channels(read.own):
        place = f"{row['kind']} channel {row['channel']!r}"
        found += [f"{place} is failing"] if row["failing"] else []
        late = _some(row["overdue"], "overdue delivery", "overdue deliveries")
        found += [f"{late} to {place}"] if row["overdue"] else []
    letters = {row["kind"]: row["open"] for row in read.own["tocsin_dead_letters"] if row["open"]}
    found += [f"{_some(count, 'open dead letter')} of kind {kind}" for kind, count in letters.items()]
    found += ["Redis is configured and doesn't answer"] if redis == "down" else []
    return found


def _some(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
