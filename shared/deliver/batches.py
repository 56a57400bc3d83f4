"""Decides what is sent for claimed rows: one message per recipient, from the frozen facts. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from shared.channels._combine import combine
from shared.channels._message import Telling
from shared.model import DeliveryState, EventKind, Millis, Notification
from shared.store.deliveries import Claim, Delivery, Result

MAX_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows (oldest first) that one message settles, and what it tells.

    A digest tells of several rules: `folded` holds what it tells of each, and `heads` the newest row of each.
    """

    rows: tuple[Delivery, ...]
    telling: Telling

    may_repeat: bool = False
    """Whether an earlier attempt may have told something of it already."""
    folded: tuple[Telling, ...] = ()
    heads: Mapping[str, Delivery] = field(default_factory=dict)

    @property
    def newest(self) -> Delivery:
        """The row whose facts the message carries; of a digest, one of them."""
        return self.rows[-1]

    @property
    def id(self) -> str:
        """What the message is known by: the same for every attempt."""
        return self.newest.digest_id if self.folded else self.newest.id

    @property
    def attempts(self) -> int:
        """How often it was tried."""
        return max(row.attempts for row in self.rows) if self.folded else self.newest.attempts

    @property
    def is_repetition(self) -> bool:
        """Whether it may have arrived before, all of it."""
        return all(row.may_repeat for row in self.rows) if self.folded else self.newest.may_repeat

    def head(self, row: Delivery) -> Delivery:
        """The row that stands for what is told of this row's rule."""
        return self.heads.get(row.rule_id, self.newest)


@dataclass(frozen=True, slots=True)
class Settled:
    """A row and what became of it. `elsewhere`: the channel is dead, so its fallback is told while the row waits."""

    row: Delivery
    result: Result
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, and the rows that end without being sent."""

    batches: tuple[Batch, ...]
    ended: tuple[Settled, ...]


def read(bodies: Mapping[str, bytes]) -> dict[str, Notification | None]:
    """The facts of notifications; None for those that can't be read."""
    return {name: _facts(body) for name, body in bodies.items()}


def plan(
    claim: Claim,
    told: Mapping[tuple[str, str], Set[str]],
    facts: Mapping[str, Notification | None] | None = None,
) -> Plan:
    """Group the claimed rows (oldest first) by what one message tells; `told`: the alerts each recipient knows of.

    A row past its deadline or its last attempt expires. A resolve whose firing was never told there is dropped.
    Test messages never mix with real ones. `facts`: those of the claim, where they were read already.
    """
    notifications = read(claim.bodies) if facts is None else facts
    ended: list[Settled] = []
    groups: dict[_Together, list[_Member]] = {}
    for row in claim.rows:
        found = notifications.get(row.notification_id)
        if (end := _ended(row, found, claim.now)) is not None:
            ended.append(end)
        elif found is not None:
            rule = "" if row.digest_id else row.rule_id
            key = (row.channel, row.recipient, row.event is EventKind.TEST, row.digest_id, rule)
            groups.setdefault(key, []).append((row, found))
    batches: list[Batch] = []
    for key, members in groups.items():
        batch, dropped = _batch(members, told.get(key[:2], set()))
        ended += [_end(row, DeliveryState.SUPERSEDED, "its firing was never told here") for row in dropped]
        batches += [batch] if batch else []
    return Plan(tuple(batches), tuple(ended))


_Member = tuple[Delivery, Notification]
_Together = tuple[str, str, bool, str, str]


def _ended(row: Delivery, facts: Notification | None, now: Millis) -> Settled | None:
    if facts is None:
        return _end(row, DeliveryState.REJECTED, "the stored facts can't be read")
    if row.attempts >= MAX_ATTEMPTS:
        return _end(row, DeliveryState.EXPIRED, f"gave up after {row.attempts} attempts")
    if now >= row.deadline_at:
        return _end(row, DeliveryState.EXPIRED, "too old to be worth telling")
    return None


def _batch(members: Sequence[_Member], told: Set[str]) -> tuple[Batch | None, Sequence[Delivery]]:
    """One message, and the rows that it has nothing to tell of."""
    if not members[0][0].digest_id:
        telling = combine([facts for _, facts in members], told)
        rows = tuple(row for row, _ in members)
        if telling is None:
            return None, rows
        return Batch(rows, telling, may_repeat=any(_repeats(one, telling) for one in members)), ()
    return _digest(members, told)


def _digest(members: Sequence[_Member], told: Set[str]) -> tuple[Batch | None, Sequence[Delivery]]:
    rules: dict[str, list[_Member]] = {}
    for member in members:
        rules.setdefault(member[0].rule_id, []).append(member)
    parts = [(rows, combine([facts for _, facts in rows], told)) for rows in rules.values()]
    dropped = [row for rows, telling in parts if telling is None for row, _ in rows]
    kept = [(rows, telling) for rows, telling in parts if telling is not None]
    if not kept:
        return None, dropped
    worst = max((telling for _, telling in kept), key=lambda telling: telling.severity)
    batch = Batch(
        tuple(row for rows, _ in kept for row, _ in rows),
        worst,
        may_repeat=any(_repeats(one, telling) for rows, telling in kept for one in rows),
        folded=tuple(telling for _, telling in kept),
        heads={rows[-1][0].rule_id: rows[-1][0] for rows, _ in kept},
    )
    return batch, dropped


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
