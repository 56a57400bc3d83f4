"""Shell: an event → one message per recipient. Gather and claim, decide, send side by side, record, choose the reply.

The rows in the database are the truth: an event only says where to look, so that a repeated, late or lost event
neither doubles nor loses a message.
"""

import base64
import logging
import time
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from shared import telemetry
from shared.channels import ChannelBook, load_kind
from shared.deliver.batches import Batch, plan
from shared.deliver.drain import drain
from shared.deliver.record import Recorder
from shared.deliver.send import LEASE_MS, Ports, Sending, is_prompt
from shared.deliver.verdicts import Verdict
from shared.deliver.whole import Whole, whole
from shared.errors import InProgress, InvalidInput, Unavailable
from shared.events import Event, InvalidEvent, notification_of, verify
from shared.store import claims, dead_letters, deliveries
from shared.store.dead_letters import DeadLetter
from shared.store.engine import Store, Tx
from shared.telemetry.names import DEAD_LETTERS

TOTAL_SECONDS = 22.0
"""Below the Trigger's delivery time-out of 30 s, so that the broker never repeats an event that is being sent."""
AT_ONCE = 6
ABANDONED_MS = 30 * 60_000
"""An event is repeated every 10 minutes, so a function that works has ended its rows long before."""
EXPIRE_SECONDS, EXPIRE_AT_ONCE = 5.0, 200

log = logging.getLogger("tocsin.deliver")


def run(event: Event, kind: str, wiring: Ports) -> None:
    """Deliver what is due to the event's recipients of this channel kind.

    Returns when every outcome is recorded. Raises Unavailable when a quick repetition may help, InProgress when
    another process is at work on it, BadSignature for an event that is not ours. An event that can't be read is
    recorded as a dead letter.
    """
    deadline = time.monotonic() + TOTAL_SECONDS
    if not wiring.keys:
        _warn_unsigned()
    verify(event, wiring.keys)
    if not _readable(event, kind, wiring):
        return
    _refresh(wiring)
    recorder = Recorder(wiring.store, wiring.channels, uuid.uuid4().hex, deadline)
    # gather
    with telemetry.span("claim") as span:
        gathered = wiring.store.write(
            lambda tx: _claim(tx, event, kind, recorder.token, signed=bool(wiring.keys))
        )
        claim = gathered.claim
        span.set(rows=len(claim.rows), held=claim.held)
    sending = Sending(wiring, kind, recorder, claim.ready)
    if not claim.known:
        log.info("nothing is to be told by %s for this event", kind)
    # decide
    decided = plan(claim, gathered.told, gathered.facts)
    # send, then record
    recorder.record(decided.ended, {})
    verdicts = _side_by_side(sending, decided.batches)
    for channel in claim.storms:
        verdicts += drain(sending, channel, _side_by_side)
    _reply(verdicts, claim.held, kind)


def expire(store: Store, channels: ChannelBook) -> int:
    """End deliveries that are long past their deadline because no function took them; returns how many.

    They are visible and told on the fallback channel, and no event is repeated for them any more.
    """
    recorder = Recorder(store, channels, uuid.uuid4().hex, time.monotonic() + EXPIRE_SECONDS)

    def take(tx: Tx) -> deliveries.Claim:
        return claims.claim_abandoned(
            tx, recorder.token, LEASE_MS, overdue_ms=ABANDONED_MS, limit=EXPIRE_AT_ONCE
        )

    claim = store.write(take)
    recorder.record(plan(claim, {}).ended, {})
    return len(claim.rows)


def bury(event: Event, kind: str, wiring: Ports, why: str = "") -> None:
    """Record an event that was given up for this channel kind; everything the broker says of it is optional."""
    given = event.attributes
    code = given.get("knativeerrorcode", "")
    letter = DeadLetter(
        event_id=event.id,
        kind=kind,
        attributes=dict(event.without_knative().attributes),
        body=event.body,
        error_dest=given.get("knativeerrordest", ""),
        error_code=int(code) if code.isdecimal() and len(code) < 6 else None,
        error_data=why or _decoded(given.get("knativeerrordata", "")),
    )
    wiring.store.write(lambda tx: dead_letters.record(tx, letter))
    telemetry.measure(DEAD_LETTERS, 1, kind=kind)
    log.warning(
        "dead letter for %s: %s",
        kind,
        letter.error_data or "no reason given",
        extra={"event_id": event.id, "rule_id": event.subject, "channel_kind": kind, "state": "dead_letter"},
    )


@cache
def _warn_unsigned() -> None:
    log.warning(
        "events are not verified: TOCSIN_EVENT_KEYS is not set, so anybody in the cluster can send one"
    )


def _readable(event: Event, kind: str, wiring: Ports) -> bool:
    ours = wiring.settings.tenant
    try:
        tenant = notification_of(event).tenant
        if tenant != ours:
            raise InvalidEvent(f"it is for tenant {tenant!r}, and this function serves {ours!r}")
    except InvalidEvent as error:
        # Nobody will ever be able to deliver it; repeating it would only wake functions for nothing.
        bury(event, kind, wiring, str(error))
        return False
    return True


def _refresh(wiring: Ports) -> None:
    try:
        wiring.channels.refresh()
    except InvalidInput as error:
        raise Unavailable("the list of channels", "its file", str(error), "TOCSIN_CHANNELS_FILE") from error


def _claim(tx: Tx, event: Event, name: str, token: str, *, signed: bool) -> Whole:
    kind = load_kind(name)
    claim = claims.claim(
        tx,
        name,
        event.id,
        token,
        LEASE_MS,
        idempotent=kind.IDEMPOTENT,
        folds=kind.HUMAN,
        sending=is_prompt(kind),
        # Only a signature proves that an event's bytes are those in the outbox; else they are read there.
        body=event.body if signed else None,
    )
    return whole(tx, claim, name)


def _side_by_side(sending: Sending, batches: Sequence[Batch]) -> list[Verdict]:
    """Every batch is sent and recorded, whatever becomes of the others; only then is a bug raised."""
    if len(batches) < 2:
        return [sending.deliver(batch) for batch in batches]
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(batches))) as pool:
        futures = [pool.submit(telemetry.carried(sending.deliver), batch) for batch in batches]
    return [future.result() for future in futures]


def _reply(verdicts: Iterable[Verdict], held: int, kind: str) -> None:
    for verdict in verdicts:
        if verdict.quick:
            first = verdict.settled[-1]
            name = f"{kind} channel {first.row.channel}"
            raise Unavailable(name, "its vendor", first.result.reason, "TOCSIN_CHANNELS_FILE")
    if held:
        raise InProgress(f"{held} deliveries are in progress elsewhere")


def _decoded(data: str) -> str:
    """Knative sends the refusing function's answer as base64."""
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace").strip()
    except ValueError:  # no base64, or not even ASCII
        return data
