"""One tick: claim the slot, evaluate it, publish what came of it, and say how it went.

A slot is evaluated by one process at most; a duplicate, late or overlapping tick finds it taken and does nothing.
"""

import logging
import os
import socket
from datetime import UTC, datetime
from time import perf_counter

import httpx

from shared import deliver, evaluate, publish, telemetry
from shared.errors import Fenced
from shared.events import Tick
from shared.gather import Ports
from shared.store import outbox, ticks
from shared.store.ticks import Claim, TickReport
from shared.telemetry import names

HEARTBEAT_TIMEOUT = httpx.Timeout(3.0)
LEAST_PUBLISH_SECONDS = 2.0
"""A tick that took all of its time to evaluate still publishes something."""

log = logging.getLogger("tocsin.tick")


def run(tick: Tick, ports: Ports) -> TickReport | None:
    """Evaluate and publish one slot; None when there was nothing to do, because it is done, taken or absurd."""
    store = ports.store
    now = store.read(lambda tx: tx.now())
    allowed = ports.settings.max_skew_intervals * tick.interval_seconds * 1000
    if abs(tick.slot - now) > allowed:
        log.error(
            "slot %s is %d s from the database's clock; ignored",
            clock_text(tick.slot),
            abs(tick.slot - now) // 1000,
        )
        return None
    shard = f"{tick.shard}/{tick.of}"
    owner = f"{socket.gethostname()}:{os.getpid()}"
    claimed = store.write(lambda tx: ticks.claim(tx, shard, tick.slot, tick.interval_seconds, owner))
    if claimed is None:
        log.info("slot %s is done or taken", clock_text(tick.slot), extra={"slot": tick.slot})
        return None
    report = TickReport(
        shard=shard,
        slot=tick.slot,
        started_at=now,
        interval_ms=tick.interval_seconds * 1000,
        lateness_ms=int(ports.settings.lateness_seconds * 1000),
        skipped=claimed.skipped,
    )
    with (
        telemetry.bound(slot=tick.slot, shard=shard),
        telemetry.span("tick", slot=tick.slot, shard=shard, skipped=claimed.skipped) as span,
    ):
        good = _work(tick, claimed, ports, report)
        span.set(rules=report.rules, series=report.series, errors=report.errors)
        _measure(report, ports)
    if good:
        _heartbeat(ports.settings.heartbeat_url.get_secret_value())
    return report


def _work(tick: Tick, claimed: Claim, ports: Ports, report: TickReport) -> bool:
    """Evaluate, publish, finish; True when everything went well."""
    started = perf_counter()
    try:
        evaluate.run(tick, claimed, ports, report)
    except Fenced as error:
        log.warning("%s", error, extra={"slot": tick.slot})
        report.trouble(str(error))
        ports.store.write(lambda tx: ticks.record(tx, report))
        return False
    evaluated = perf_counter()
    with telemetry.span("publish"):
        deliver.expire(ports.store, ports.channels)
        left = tick.interval_seconds * 5 / 6 - (evaluated - started)
        outcome = publish.run(ports.store, ports.broker, seconds=max(left, LEAST_PUBLISH_SECONDS))
    finished = perf_counter()
    report.stages_ms["publish"] = int((finished - evaluated) * 1000)
    report.total_ms = int((finished - started) * 1000)
    if outcome.refused:
        report.errors += outcome.refused
        report.error = report.error or outcome.error
    ports.store.write(lambda tx: ticks.finish(tx, claimed, report))
    _log(report, outcome.accepted)
    return not report.errors


def _measure(report: TickReport, ports: Ports) -> None:
    """Tell what the report says, and what one query finds in the outbox, if anybody wants to know."""
    if not telemetry.recording():
        return
    of = {"shard": report.shard}
    telemetry.measure(names.TICK_DURATION, report.total_ms / 1000, **of)
    for stage, took_ms in report.stages_ms.items():
        telemetry.measure(names.STAGE_DURATION, took_ms / 1000, stage=stage, **of)
    telemetry.measure(names.TICK_LAG, (report.started_at + report.total_ms - report.slot) / 1000, **of)
    telemetry.measure(names.SKIPPED, report.skipped, **of)
    telemetry.measure(names.ERRORS, report.errors, **of)
    telemetry.measure(names.QUERIES, report.queries, **of)
    telemetry.measure(names.TRANSITIONS, report.transitions, **of)
    telemetry.measure(names.RULES, report.rules)
    telemetry.measure(names.SERIES, report.series, **of)
    telemetry.measure(names.OUTBOX, ports.store.read(outbox.waiting))


def _log(report: TickReport, published: int) -> None:
    """One line for one tick; `quiet` marks those without news, for whoever shows logs to people."""
    news = [
        (report.transitions, "transition", "transitions"),
        (report.notifications, "notification", "notifications"),
        (published, "event published", "events published"),
        (report.skipped, "slot skipped", "slots skipped"),
        (report.errors, "error", "errors"),
    ]
    said = ", ".join(_counted(*one) for one in news if one[0])
    log.info(
        "tick %s: %s (%s, %s, %s, %d ms)",
        clock_text(report.slot),
        said or "nothing new",
        _counted(report.rules, "rule", "rules"),
        _counted(report.series, "series", "series"),
        _counted(report.queries, "query", "queries"),
        report.total_ms,
        extra={
            "slot": report.slot,
            "stages_ms": report.stages_ms,
            "skipped": report.skipped,
            "errors": report.errors,
            "quiet": not said,
        },
    )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def dry_run(tick: Tick, ports: Ports) -> TickReport:
    """What the slot would bring, without claiming it or writing anything; what would be told is logged."""
    report = TickReport(shard=f"{tick.shard}/{tick.of}", slot=tick.slot)
    evaluate.preview(tick, ports, report)
    return report


def clock_text(slot: int) -> str:
    """A slot as people read it: `12:00:30Z`."""
    return datetime.fromtimestamp(slot / 1000, UTC).strftime("%H:%M:%SZ")


def _heartbeat(url: str) -> None:
    """Tell an outside watcher that a good tick happened; its silence is the alarm that Tocsin can't raise itself."""
    if not url:
        return
    try:
        httpx.get(url, timeout=HEARTBEAT_TIMEOUT, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("the heartbeat was not delivered: %s", type(error).__name__)
