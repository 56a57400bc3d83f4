"""Shell: outbox rows → Broker. Publishes what was never accepted, and re-drives what is still undelivered.

The same bytes and the same id every time; only the routes `to<kind>` follow what is still open.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from shared import telemetry
from shared.broker import ANSWER_SECONDS, AT_ONCE, Broker
from shared.errors import PoisonEvent, Unavailable
from shared.events import routed
from shared.store import outbox, refusals
from shared.store.engine import Store
from shared.telemetry.names import EVENTS

BATCH = 500
AT_ONCE_SECONDS = 10.0
REDRIVES_PER_CHANNEL = 20
"""How many repeats one tick may cost each channel."""

log = logging.getLogger("tocsin.publish")


@dataclass(frozen=True, slots=True)
class PublishReport:
    """How many events the Broker accepted, how many it refused, and the first reason."""

    accepted: int = 0
    refused: int = 0
    error: str = ""

    def plus(self, other: "PublishReport") -> "PublishReport":
        """Both together."""
        return PublishReport(
            self.accepted + other.accepted,
            self.refused + other.refused,
            self.error or other.error,
        )


def run(store: Store, broker: Broker, *, seconds: float = 20.0) -> PublishReport:
    """Publish what is new, in batches, and then what is to be repeated, so that news never waits for repetitions.

    Each event has one publisher at a time, although several shards and people's commands look for what is due. What the
    Broker has not taken within `seconds` is left for the next tick.
    """
    total, patience = PublishReport(), _Patience(time.monotonic() + seconds)
    while not total.refused:
        # gather
        waiting = store.read(lambda tx: outbox.unpublished(tx, BATCH))
        # send, then commit
        total = total.plus(_publish(store, broker, waiting, patience))
        if len(waiting) < BATCH:
            break
    repeats = store.read(lambda tx: outbox.repeats(tx, REDRIVES_PER_CHANNEL))
    return total.plus(_publish(store, broker, repeats, patience))


def at_once(store: Store, broker: Broker, ids: Sequence[str]) -> PublishReport:
    """Publish these events now, whatever waits; those that the Broker doesn't take are left for the next tick."""
    waiting = store.read(lambda tx: outbox.chosen(tx, ids))
    return _publish(store, broker, waiting, _Patience(time.monotonic() + AT_ONCE_SECONDS))


@dataclass
class _Patience:
    """How long, and after how many refusals, a Broker is left alone until the next tick."""

    deadline: float
    refusals: list[str] = field(default_factory=list)

    def ended(self) -> str:
        """Why there is none left; empty while there is."""
        if len(self.refusals) >= AT_ONCE:
            return f"not tried: {self.refusals[-1]}"
        return "not tried: the broker is too slow" if time.monotonic() >= self.deadline else ""

    def lease_ms(self) -> int:
        """How long publishing may take: until the deadline, and for the last request. It is over when the next tick
        publishes, so that one that was killed delays its events by one slot only."""
        return int((max(self.deadline - time.monotonic(), 0.0) + ANSWER_SECONDS) * 1000)


def _publish(
    store: Store, broker: Broker, waiting: Sequence[outbox.Due], patience: _Patience
) -> PublishReport:
    if not waiting:
        return PublishReport()
    ids = [item.event.id for item in waiting]
    mine = store.write(lambda tx: outbox.take(tx, ids, patience.lease_ms()))
    waiting = [item for item in waiting if item.event.id in mine]
    if not waiting:
        return PublishReport()
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(waiting))) as pool:
        post = telemetry.carried(lambda item: _post(broker, item, patience))
        problems = list(pool.map(post, waiting))
    tried = list(zip(waiting, problems, strict=True))
    refused = {item.event.id: why.text for item, why in tried if why}
    accepted = [item for item in waiting if item.event.id not in refused]
    store.write(lambda tx: outbox.published(tx, [item.event.id for item in accepted], refused))
    telemetry.measure(EVENTS, len(accepted), outcome="accepted")
    telemetry.measure(EVENTS, len(refused), outcome="refused")
    if blamed := {item.event.id: why.text for item, why in tried if why and why.its_own}:
        _put_off(store, blamed)
    for event_id, why in refused.items():
        log.warning("not published: %s", why, extra={"event_id": event_id})
    for item in accepted:
        log.debug(
            "published %s", item.event.type, extra={"event_id": item.event.id, "rule_id": item.event.subject}
        )
    return PublishReport(
        accepted=len(accepted),
        refused=len(refused),
        error=next(iter(refused.values()), ""),
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    """Why the Broker didn't take an event; `its_own`: it would take others."""

    text: str
    its_own: bool = False


def _post(broker: Broker, item: outbox.Due, patience: _Patience) -> _Problem | None:
    """Publish one event; what was wrong when the Broker didn't take it."""
    if ended := patience.ended():
        return _Problem(ended)
    event = item.event
    ids = {"event_id": event.id, "rule_id": event.subject}
    # Below the tick that made it, which may be long over: then this one is linked.
    with telemetry.span(
        "publish event", "producer", event.attributes, repeated=item.published, **ids
    ) as span:
        try:
            broker.publish(routed(event, item.kinds))
        except PoisonEvent as error:
            span.fail(error)
            return _Problem(str(error), its_own=True)
        except Unavailable as error:
            span.fail(error)
            patience.refusals.append(str(error))
            return _Problem(str(error))
    return None


def _put_off(store: Store, blamed: Mapping[str, str]) -> None:
    """An event that the Broker will never take comes less and less often, and ends with its deliveries expired."""
    given_up = store.write(lambda tx: refusals.put_off(tx, blamed))
    for event_id in given_up:
        log.error(
            "given up after %d refusals: %s", refusals.MOST, blamed[event_id], extra={"event_id": event_id}
        )
