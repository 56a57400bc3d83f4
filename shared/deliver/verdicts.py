"""Decides what an attempt means for its rows: final, or when to try again. Pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.deliver.batches import MAX_ATTEMPTS, Batch, Settled
from shared.model import DeliveryState, EventKind, Millis, Outcome
from shared.store.channel_state import PROBE_MS
from shared.store.claims import REPEAT_UNKNOWN_MS
from shared.store.deliveries import Delivery, Result

QUICK_ATTEMPTS = 3
QUICK_WAIT_SECONDS = 1.0
"""The broker repeats a refused event after a second; a vendor that wants more time is left in peace."""
LONGEST_BACKOFF_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to send a batch."""

    outcome: Outcome
    latency_ms: int = 0
    payload_sha256: str = ""
    told_as: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of every row of a batch. `quick`: the broker should bring the event again at once."""

    settled: tuple[Settled, ...]
    quick: bool = False


def judge(batch: Batch, attempt: Attempt, *, idempotent: bool) -> Verdict:
    """The verdict on a batch. `idempotent`: the receiver recognises repeated messages."""
    kind = attempt.outcome.kind
    if kind in ("delivered", "accepted"):
        return _all(batch, attempt, lambda row: _told(batch, row, kind))
    if batch.newest.event is EventKind.TEST:
        return _all(batch, attempt, lambda row: _failed_test(row, attempt))
    if kind == "unknown":
        return _all(batch, attempt, lambda row: _unknown(batch, row, idempotent=idempotent))
    if kind == "rejected" and attempt.outcome.scope != "channel":
        return _all(batch, attempt, lambda row: Result(row.id, DeliveryState.REJECTED))
    if kind == "rejected":
        # The channel is dead: the rows wait for a probe, and no attempt is counted against them.
        return _elsewhere(_all(batch, attempt, lambda row: _waiting(row, PROBE_MS)))
    return _retry(batch, attempt)


def waiting(batch: Batch, wait_ms: Millis, why: str, *, quick: bool = False, dead: bool = False) -> Verdict:
    """Nothing was tried: the rows wait as they were. `dead`: because the channel is."""
    settled = tuple(Settled(row, replace(_waiting(row, wait_ms), reason=why)) for row in batch.rows)
    return _elsewhere(Verdict(settled, quick)) if dead else Verdict(settled, quick)


def backoff_seconds(row_id: str, attempts: int) -> float:
    """Full jitter below 5 · 2ⁿ seconds, five minutes at the most; the same for one row and attempt every time."""
    ceiling = min(LONGEST_BACKOFF_SECONDS, 5.0 * 2.0 ** min(attempts, 10))
    return random.Random(f"{row_id}:{attempts}").uniform(1.0, ceiling)


def _retry(batch: Batch, attempt: Attempt) -> Verdict:
    attempts = batch.attempts + 1
    asked = attempt.outcome.retry_after or 0.0
    quick = attempts <= QUICK_ATTEMPTS and asked <= QUICK_WAIT_SECONDS
    wait = asked if quick else max(asked, backoff_seconds(batch.id, attempts))
    wait_ms = round(wait * 1000)

    def of(row: Delivery) -> Result:
        tries = row.attempts + 1
        if tries >= MAX_ATTEMPTS:
            return Result(row.id, DeliveryState.EXPIRED, attempts=tries)
        state = DeliveryState.UNKNOWN if row.may_repeat else DeliveryState.RETRY
        return Result(row.id, state, wait_ms, attempts=tries)

    verdict = _all(batch, attempt, of)
    return replace(verdict, quick=quick and any(one.result.wait_ms is not None for one in verdict.settled))


def _told(batch: Batch, row: Delivery, kind: str) -> Result:
    head = batch.head(row)
    if row is head:
        return Result(row.id, DeliveryState(kind), sent=True)
    return Result(row.id, DeliveryState.SUPERSEDED, superseded_by=head.id, sent=True)


def _failed_test(row: Delivery, attempt: Attempt) -> Result:
    """A test shows the truth at once: it is never repeated."""
    states = {"unknown": DeliveryState.UNKNOWN, "rejected": DeliveryState.REJECTED}
    kind = attempt.outcome.kind
    return Result(row.id, states.get(kind, DeliveryState.EXPIRED), sent=kind == "unknown")


def _unknown(batch: Batch, row: Delivery, *, idempotent: bool) -> Result:
    tries = row.attempts + 1
    if idempotent and tries < MAX_ATTEMPTS:
        wait_ms = round(backoff_seconds(batch.id, tries) * 1000)
        return Result(row.id, DeliveryState.UNKNOWN, wait_ms, sent=True)
    if idempotent or batch.is_repetition:
        return Result(row.id, DeliveryState.UNKNOWN, sent=True)
    return Result(row.id, DeliveryState.UNKNOWN, REPEAT_UNKNOWN_MS, sent=True)


def _waiting(row: Delivery, wait_ms: Millis) -> Result:
    untold = DeliveryState.RETRY if row.attempts else DeliveryState.PENDING
    state = DeliveryState.UNKNOWN if row.may_repeat else untold
    return Result(row.id, state, wait_ms, attempts=row.attempts)


def _elsewhere(verdict: Verdict) -> Verdict:
    return replace(verdict, settled=tuple(replace(one, elsewhere=True) for one in verdict.settled))


def _all(batch: Batch, attempt: Attempt, of: Callable[[Delivery], Result]) -> Verdict:
    outcome = attempt.outcome
    reason = "; ".join(part for part in (outcome.reason, attempt.told_as) if part)
    return Verdict(
        tuple(
            Settled(
                row,
                replace(
                    of(row),
                    http_status=outcome.status,
                    provider_code=outcome.provider_code,
                    provider_id=outcome.provider_id,
                    reason=reason,
                    excerpt=outcome.excerpt,
                    latency_ms=attempt.latency_ms,
                    payload_sha256=attempt.payload_sha256,
                ),
            )
            for row in batch.rows
        )
    )
