"""Decides what is sent for claimed rows: one message per recipient, from the frozen facts. Pure."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from shared.channels._combine import combine
from shared.channels._message import Telling
from shared.model import DeliveryState, EventKind, Notification
from shared.store.deliveries import Claim, Delivery, Result

MAX_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows (oldest first) that one message settles, and what it tells."""

    rows: tuple[Delivery, ...]
    telling: Telling

    may_repeat: bool = False
    """Whether an earlier attempt may have told something of it already."""

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


def plan(claim: Claim, told: Mapping[tuple[str, str], Set[str]]) -> Plan:
    """Group the claimed rows (oldest first) by recipient; `told`: the alerts each one knows of.

    A row past its deadline or its last attempt expires. A resolve whose firing was never told there is dropped.
    Test messages never mix with real ones.
    """
    notifications = {name: _facts(body) for name, body in claim.bodies.items()}
    ended: list[Settled] = []
    groups: dict[tuple[str, str, bool], list[tuple[Delivery, Notification]]] = {}
    for row in claim.rows:
        facts = notifications.get(row.notification_id)
        if facts is None:
            ended.append(_end(row, DeliveryState.REJECTED, "the stored facts can't be read"))
        elif row.attempts >= MAX_ATTEMPTS:
            ended.append(_end(row, DeliveryState.EXPIRED, f"gave up after {row.attempts} attempts"))
        elif claim.now >= row.deadline_at:
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
            rows = tuple(row for row, _ in members)
            batches.append(Batch(rows, telling, may_repeat=any(_repeats(one, telling) for one in members)))
    return Plan(tuple(batches), tuple(ended))


def _repeats(member: tuple[Delivery, Notification], telling: Telling) -> bool:
    """Whether the message says what an earlier attempt may have said: newer facts of an alert are no repetition."""
    row, facts = member
    same = facts is telling.facts or any(item.alert in facts.alerts for item in telling.items)
    return row.may_repeat and same


def _facts(body: bytes) -> Notification | None:
    try:
        return Notification.model_validate_json(body)
    except ValueError:
        return None


def _end(row: Delivery, state: DeliveryState, why: str) -> Settled:
    last = f"{why}; the last attempt: {row.reason}" if row.reason else why
    return Settled(row, Result(row.id, state, reason=last, attempts=row.attempts))
