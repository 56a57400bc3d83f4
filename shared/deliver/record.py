"""Shell: commits what became of claimed rows, has told elsewhere what failed for good, and logs it. Sends nothing."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from shared import telemetry
from shared.channels import ChannelBook
from shared.deliver.batches import Settled
from shared.errors import Unavailable
from shared.model import DeliveryState, EventKind
from shared.store import claims, deliveries, outbox
from shared.store.engine import Store, Tx
from shared.telemetry.names import DELIVERIES

T = TypeVar("T")

PAUSE_SECONDS = 0.5
_BAD = frozenset({DeliveryState.EXPIRED.value, DeliveryState.REJECTED.value})

log = logging.getLogger("tocsin.deliver")


@dataclass(frozen=True)
class Recorder:
    """Records for the claim of one `token`, until `deadline` (monotonic seconds)."""

    store: Store
    channels: ChannelBook
    token: str
    deadline: float

    def seconds_left(self) -> float:
        """Until the deadline; negative after it."""
        return self.deadline - time.monotonic()

    def record(self, settled: Sequence[Settled], told: Mapping[str, object]) -> None:
        """Commit results, the fallbacks of what failed for good, and the end of finished notifications; then log."""
        if not settled:
            return
        ids = sorted({one.row.notification_id for one in settled if one.result.wait_ms is None})
        instead = list(self._fallbacks(settled))

        def work(tx: Tx) -> frozenset[str]:
            kept = claims.finish(tx, self.token, [one.result for one in settled])
            deliveries.add_fallbacks(tx, [row for row in instead if row.fallback_of in kept])
            outbox.close_finished(tx, ids)
            return kept

        kept = self.commit(work)
        if len(kept) < len(settled):
            log.warning("%d deliveries were recorded by another process meanwhile", len(settled) - len(kept))
        recorded = [one for one in settled if one.row.id in kept]
        counted = Counter((one.row.kind, one.result.state) for one in recorded)
        for (kind, state), count in counted.items():
            if state is not DeliveryState.PENDING:  # it waits, and nothing was tried
                telemetry.measure(DELIVERIES, count, kind=kind, outcome=state.value)
        if "digest_id" in told:
            _log_digest(recorded, told)
            return
        for one in recorded:
            _log(one, told)

    def commit(self, work: Callable[[Tx], T]) -> T:
        """Write what came of an attempt. It must not be lost, so a database that is away for a moment is waited for."""
        while True:
            try:
                return self.store.write(work)
            except Unavailable:
                if self.seconds_left() < PAUSE_SECONDS:
                    raise
                time.sleep(PAUSE_SECONDS)

    def _fallbacks(self, settled: Iterable[Settled]) -> Iterable[deliveries.NewDelivery]:
        """New rows on the fallback channel for what can't be told here; a fallback has none of its own."""
        book = self.channels
        for one in settled:
            row, result = one.row, one.result
            # A superseded row that superseded_by doesn't explain was dropped: its firing may be known there.
            dropped = result.state is DeliveryState.SUPERSEDED and not result.superseded_by
            failed = result.state in (DeliveryState.EXPIRED, DeliveryState.REJECTED)
            if not (failed or dropped or one.elsewhere) or row.fallback_of or row.event is EventKind.TEST:
                continue
            for place in book.fallback_of(row.channel):
                yield deliveries.NewDelivery(
                    row.notification_id,
                    row.rule_id,
                    row.seq,
                    row.event,
                    row.severity,
                    place.kind,
                    place.channel,
                    place.recipient,
                    fallback_of=row.id,
                )


def _log_digest(recorded: Sequence[Settled], told: Mapping[str, object]) -> None:
    """One line for a digest: its rows say the rest."""
    if not recorded:
        return
    counted = Counter(one.result.state.value for one in recorded)
    row, result = recorded[-1].row, recorded[-1].result
    log.log(
        logging.WARNING if _BAD & counted.keys() else logging.INFO,
        "%s to %s %s in %d ms: %s%s",
        told["title"],
        row.kind,
        row.channel,
        result.latency_ms,
        ", ".join(f"{count} {state}" for state, count in counted.items()),
        f": {result.reason}" if result.reason else "",
        extra={"digest_id": told["digest_id"], "channel": row.channel, "channel_kind": row.kind},
    )


def _log(one: Settled, told: Mapping[str, object]) -> None:
    row, result = one.row, one.result
    bad = result.state in (DeliveryState.EXPIRED, DeliveryState.REJECTED)
    what = (
        f'"{told["title"]}" {str(told["event"]).upper()}' if told else f"notification {row.notification_id}"
    )
    to = f"{row.kind} {row.channel}" + (f" {row.recipient}" if row.recipient else "")
    why = f": {result.reason}" if result.reason else ""
    log.log(
        logging.WARNING if bad else logging.INFO,
        "%s %s to %s in %d ms%s",
        result.state.value,
        what,
        to,
        result.latency_ms,
        why,
        extra={
            "event_id": row.notification_id,
            "delivery_id": row.id,
            "rule_id": row.rule_id,
            "alert_ids": told.get("alert_ids", []),
            "channel": row.channel,
            "channel_kind": row.kind,
            "state": result.state.value,
            "attempt": row.attempts + 1 if result.attempts is None else result.attempts,
            "latency_ms": result.latency_ms,
        },
    )
