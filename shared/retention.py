"""Removing what is older than it has to be kept: shell. What may go is known to `store.retention`, how long it is kept
to the settings.

Ages are by the database's clock, like most times that are compared: never by an event's, which anybody in the cluster
may send. A run ends when its time is over and the next one goes on, because each finds the oldest rows first.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Protocol

from shared.errors import ClocksDiffer, Unfinished
from shared.model import Millis
from shared.settings import KEPT, Settings
from shared.store.engine import Store
from shared.store.retention import SWEEPS
from shared.store.sweeps import After, Sweep

DAY_MS = 86_400_000
SECONDS = 45.0
"""How long one run may take: its function is stopped after 60 seconds, and one batch is far below the rest."""
MAX_SKEW_MS = 3_600_000
"""A clock that is wrong by so much would remove what nobody wanted to lose."""

log = logging.getLogger("tocsin.retention")


class Ports(Protocol):
    """What it needs from the outside; `wiring.Wiring` is one."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...


@dataclass(slots=True)
class Report:
    """Rows that went, or would go, by table; whether everything that may go was looked at."""

    rows: dict[str, int] = field(default_factory=dict)
    finished: bool = True

    def add(self, gone: Mapping[str, int]) -> None:
        """Count what one step removed."""
        for table, count in gone.items():
            self.rows[table] = self.rows.get(table, 0) + count


def cutoffs(days: Mapping[str, int], now: Millis) -> dict[str, Millis]:
    """What → the time before which it goes, epoch milliseconds. Kept for 0 days is kept for ever, and left out."""
    return {what: now - count * DAY_MS for what, count in days.items() if count}


def run(ports: Ports, now: Millis, *, seconds: float = SECONDS, dry_run: bool = False) -> Report:
    """Remove what may go until it is gone or `seconds` are over; with `dry_run` only count it.

    `now` is this machine's clock. Raises ClocksDiffer when the database's is far from it; nothing is removed then.
    """
    store, until, report = ports.store, perf_counter() + seconds, Report()
    theirs = store.read(lambda tx: tx.now())
    if abs(theirs - now) > MAX_SKEW_MS:
        raise ClocksDiffer(abs(theirs - now) // 1000)
    before = cutoffs({what: getattr(ports.settings, f"keep_{what}_days") for what in KEPT}, theirs)
    for sweep in SWEEPS:
        if sweep.keeps in before and not _sweep(store, sweep, before[sweep.keeps], until, report, dry_run):
            report.finished = False
            break
    if not dry_run:
        _log(report)
    return report


def run_in_time(ports: Ports, now: Millis, seconds: float = SECONDS) -> Report:
    """As `run`. Raises Unfinished when time was over first, so that whoever asked for it asks again."""
    report = run(ports, now, seconds=seconds)
    if not report.finished:
        raise Unfinished(sum(report.rows.values()))
    return report


def _sweep(store: Store, sweep: Sweep, cutoff: Millis, until: float, report: Report, dry_run: bool) -> bool:
    """Batch after batch; False when time was over first."""
    after: After | None = None
    while perf_counter() < until:
        step = partial(sweep.step, cutoff=cutoff, after=after, dry=dry_run)
        batch = store.read(step) if dry_run else store.write(step)
        report.add(batch.gone)
        after = batch.after
        if after is None:
            return True
    return False


def _log(report: Report) -> None:
    gone = {table: count for table, count in report.rows.items() if count}
    said = ", ".join(f"{count} {table}" for table, count in gone.items()) or "nothing"
    log.info(
        "removed what was kept long enough: %s%s",
        said,
        "" if report.finished else "; the rest goes with the next run",
        extra={"removed": gone, "finished": report.finished},
    )
