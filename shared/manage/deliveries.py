"""Deliveries: what became of every message, and trying again what failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import Conflict, InvalidInput
from shared.manage import checks, telling
from shared.manage.ports import Ports
from shared.model import DeliveryState, EventKind, Millis, Notification
from shared.store import audit, dead_letters, listing, outbox, retries
from shared.store import rules as rule_rows
from shared.store.dead_letters import DeadLetter
from shared.store.engine import Tx
from shared.store.listing import AlertRow, DeliveryRow
from shared.store.managed import Page

STATES = tuple(state.value for state in DeliveryState)


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """One delivery and all that explains it.

    `published`: whether the broker took its event. `superseded`: deliveries whose news its message told as well.
    `fallbacks`: what was told elsewhere because it failed. `letters`: the broker gave up on its event.
    """

    delivery: DeliveryRow
    title: str
    published: bool
    alerts: tuple[AlertRow, ...]
    superseded: tuple[DeliveryRow, ...]
    fallbacks: tuple[DeliveryRow, ...]
    letters: tuple[DeadLetter, ...]


@dataclass(frozen=True, slots=True)
class Retried:
    """Deliveries that are due again, and by id why the others are not."""

    deliveries: tuple[DeliveryRow, ...]
    left: dict[str, str]


def list_deliveries(
    ports: Ports,
    *,
    state: str = "",
    channel: str = "",
    rule: str = "",
    alert: str = "",
    only_open: bool = False,
    limit: int = 50,
    cursor: str = "",
) -> Page[DeliveryRow]:
    """Deliveries, newest first: of one state, channel, rule (id or title) or alert, or only those that still wait."""
    if state and state not in STATES:
        raise InvalidInput("state", state, f"valid are {', '.join(STATES)}", checks.meant(state, STATES))

    def work(tx: Tx) -> Page[DeliveryRow]:
        return listing.deliveries_page(
            tx,
            state=state,
            channel=channel,
            rule_id=_rule(tx, rule),
            alert_id=listing.alert(tx, alert).id if alert else "",
            only_open=only_open,
            limit=limit,
            cursor=cursor,
        )

    return ports.store.read(work)


def _rule(tx: Tx, wanted: str) -> str:
    """A rule's id. That of a rule which was deleted, or of a test, finds its deliveries as well."""
    return (
        wanted if wanted.startswith(("rule_", "test_")) else rule_rows.find(tx, wanted).id if wanted else ""
    )


def get_delivery(ports: Ports, wanted: str) -> DeliveryDetail:
    """The whole story of a delivery, by its id or the beginning of it."""

    def work(tx: Tx) -> DeliveryDetail:
        row = listing.delivery(tx, wanted)
        event = next(iter(outbox.chosen(tx, [row.notification_id])), None)
        letters = dead_letters.listing(tx, event_id=row.notification_id)
        return DeliveryDetail(
            delivery=row,
            title=Notification.model_validate_json(event.event.body).rule.title if event else "",
            published=event is not None and event.published,
            alerts=tuple(listing.alerts_of(tx, row.notification_id)),
            superseded=tuple(listing.deliveries_with(tx, superseded_by=row.id)),
            fallbacks=tuple(listing.deliveries_with(tx, fallback_of=row.id)),
            letters=tuple(letter for letter in letters if letter.kind == row.kind),
        )

    return ports.store.read(work)


def retry_deliveries(
    ports: Ports,
    wanted: Sequence[str] = (),
    *,
    channel: str = "",
    since: Millis = 0,
    actor: str,
    now: Millis,
) -> Retried:
    """Try deliveries again that were rejected, expired or are unknown: by their ids, or all of a channel `since` then.

    They get all their attempts and a new deadline. What would tell an old story is left alone: when nothing of it fires
    any more, or newer news of its alerts was told there. Raises Conflict when a single delivery can't be tried again.
    """
    if bool(wanted) == bool(channel):
        raise InvalidInput("delivery", None, "name deliveries by their ids, or a channel")

    def work(tx: Tx) -> Retried:
        ids = list(wanted) or retries.failed(tx, channel, since)
        rows = {row.id: row for row in (listing.delivery(tx, one) for one in ids)}
        left = _obstacles(tx, list(rows.values()))
        if len(wanted) == 1 and left:
            raise Conflict(f"delivery {next(iter(left))} can't be tried again: {next(iter(left.values()))}")
        again = [row for row in rows.values() if row.id not in left]
        retries.reopen(tx, again)
        changes = [
            (row.id, {"state": row.state, "reason": row.reason}, {"state": "pending"}) for row in again
        ]
        audit.record_many(tx, now, actor, "delivery.retry", changes)
        return Retried(tuple(again), left)

    done = ports.store.write(work)
    telling.publish_now(ports, sorted({row.notification_id for row in done.deliveries}))
    return done


def _obstacles(tx: Tx, rows: Sequence[DeliveryRow]) -> dict[str, str]:
    found = {row.id: why for row in rows if (why := _state_of(row))}
    ids = [row.id for row in rows if row.id not in found]
    newer = "newer news of its alerts was told there since"
    over = "nothing of what it tells fires any more"
    found |= dict.fromkeys(sorted(retries.over(tx, ids)), over)
    return found | dict.fromkeys(sorted(retries.overtaken(tx, ids)), newer)


def _state_of(row: DeliveryRow) -> str:
    if row.event == EventKind.TEST:
        return "a test is sent once; send a new one"
    if row.next_at is not None:
        return f"it is {row.state}, and tried again by itself"
    return "" if row.state in retries.FAILED else f"it is {row.state}"
