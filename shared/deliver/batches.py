"""Decides what is sent for claimed rows: one message per recipient, from the frozen facts. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from shared.channels._combine import combine
from shared.channels._message import Telling
from shared.model import DeliveryState, EventKind, Millis, Notification
from shared.store.deliveries import Delivery, Result

MAX_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows (oldest first) that one message settles, and what it tells."""

    rows: tuple[Delivery, ...]
    telling: Telling

    @property
    def newest(self) -> Delivery:
        """The row whose id and facts the message carries."""
        return self.rows[-1]


@dataclass(frozen=True, slots=True)
class Settled:
    """A row and what became of it."""

    row: Delivery
    result: Result


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, and the rows that end without being sent."""

    batches: tuple[Batch, ...]
    ended: tuple[Settled, ...]


def alerts_of(rows: Sequence[Delivery]) -> set[str]:
    """The alerts inside the rows' notifications."""
    return {alert.id for row in rows if (facts := _facts(row)) for alert in facts.alerts}


def plan(rows: Sequence[Delivery], told: Mapping[tuple[str, str], Set[str]], now: Millis) -> Plan:
    """Group the rows (oldest first) by recipient; `told`: the alerts each one knows of; `now`: database time.

    A row past its deadline or its last attempt expires. A resolve whose firing was never told there is dropped.
    Test messages never mix with real ones.
    """
    ended: list[Settled] = []
    groups: dict[tuple[str, str, bool], list[tuple[Delivery, Notification]]] = {}
    for row in rows:
        facts = _facts(row)
        if facts is None:
            ended.append(_end(row, DeliveryState.REJECTED, "the stored facts can't be read"))
        elif row.attempts >= MAX_ATTEMPTS:
            ended.append(_end(row, DeliveryState.EXPIRED, f"gave up after {row.attempts} attempts"))
        elif now >= row.deadline_at:
            ended.append(_end(row, DeliveryState.EXPIRED, "too old to be worth telling"))
        else:
            key = (row.channel, row.recipient, row.event is EventKind.TEST)
            groups.setdefault(key, []).append((row, facts))
    batches: list[Batch] = []
    for (channel, recipient, _), members in groups.items():
        telling = combine([facts for _, facts in members], told.get((channel, recipient), set()))
        if telling is None:
            why = "its firing was never told here"
            ended += [_end(row, DeliveryState.SUPERSEDED, why) for row, _ in members]
        else:
            batches.append(Batch(tuple(row for row, _ in members), telling))
    return Plan(tuple(batches), tuple(ended))


def _facts(row: Delivery) -> Notification | None:
    try:
        return Notification.model_validate_json(row.body)
    except ValueError:
        return None


def _end(row: Delivery, state: DeliveryState, why: str) -> Settled:
    return Settled(row, Result(row.id, state, reason=why, attempts=row.attempts))
