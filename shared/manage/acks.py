"""Acknowledging alerts: one by its id, or all that a notification told of, by its link."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.errors import InvalidInput, NotFound
from shared.manage import checks, telling
from shared.manage.ports import Ports
from shared.model import Millis, Notification
from shared.store import acks, audit, listing, outbox
from shared.store.engine import Tx
from shared.store.listing import AlertRow

LONGEST_NAME, LONGEST_NOTE = 200, 1000


@dataclass(frozen=True, slots=True)
class _Ack:
    """Who acknowledges, with which words, until when (None: until it ends)."""

    by: str
    note: str
    until: Millis | None
    actor: str
    now: Millis

    @property
    def words(self) -> str:
        end = f", until {_moment(self.until)}" if self.until else ""
        return f"Acknowledged by {self.by}{end}" + (f": {self.note}" if self.note else "")


@dataclass(frozen=True, slots=True)
class Acknowledgeable:
    """What the link of a message is about: its rule's title, and its alerts as they are now, the worst first."""

    notification_id: str
    title: str
    description: str
    alerts: tuple[AlertRow, ...]

    @property
    def waiting(self) -> tuple[AlertRow, ...]:
        """Those that fire, and that nobody has acknowledged."""
        return tuple(one for one in self.alerts if one.state == "firing" and one.acked_at is None)


def acknowledge(
    ports: Ports,
    wanted: str,
    *,
    by: str,
    note: str = "",
    until: Millis | None = None,
    actor: str,
    now: Millis,
) -> AlertRow:
    """Say that somebody has seen an open alert: it is not told again until it worsens or ends, or `until`.

    Where it was told, people who share a room, and programs, hear of it. Raises InvalidInput when `until` is over, and
    Conflict when the alert has ended.
    """
    ack = _checked(by, note, until, actor, now)

    def work(tx: Tx) -> tuple[AlertRow, list[str]]:
        alert = listing.alert(tx, wanted)
        held = acks.hold(tx, [alert])
        if not held:
            raise acks.ended(alert.id)
        if (held[0].acked_by, held[0].ack_note, held[0].acked_until) == (ack.by, ack.note, ack.until):
            return held[0], []  # said twice
        told = _write(tx, ports, held, ack)
        return listing.alert(tx, alert.id), told

    acked, told = ports.store.write(work)
    telling.publish_now(ports, told)
    return acked


def acknowledgeable(ports: Ports, notification_id: str) -> Acknowledgeable:
    """What a notification told of. Raises NotFound when there is none of this id."""
    return ports.store.read(lambda tx: _about(tx, notification_id))


def acknowledge_notification(
    ports: Ports, notification_id: str, *, by: str, note: str = "", actor: str, now: Millis
) -> Acknowledgeable:
    """Acknowledge all alerts of a notification that fire and that nobody has acknowledged; what they are then.

    Repeating it changes nothing and tells nobody: who was first stays.
    """
    ack = _checked(by, note, None, actor, now)

    def work(tx: Tx) -> tuple[Acknowledgeable, list[str]]:
        about = _about(tx, notification_id)
        held = [one for one in acks.hold(tx, about.waiting) if one.acked_at is None]
        if not held:
            return about, []
        told = _write(tx, ports, held, ack)
        return _about(tx, notification_id), told

    done, told = ports.store.write(work)
    telling.publish_now(ports, told)
    return done


def withdraw_acknowledgement(ports: Ports, wanted: str, *, actor: str, now: Millis) -> AlertRow:
    """Take an acknowledgement back. Raises InvalidInput when there is none, Conflict when the alert has ended."""

    def work(tx: Tx) -> AlertRow:
        alert = listing.alert(tx, wanted)
        if alert.acked_at is None:
            raise InvalidInput("alert", alert.id, "it is not acknowledged")
        audit.record(tx, now, actor, "alert.withdraw_acknowledgement", alert.id, _ack_of(alert))
        return acks.withdraw(tx, alert, now)

    return ports.store.write(work)


def _checked(by: str, note: str, until: Millis | None, actor: str, now: Millis) -> _Ack:
    name = checks.fits("by", checks.one_line("by", by), LONGEST_NAME)
    checks.fits("note", note, LONGEST_NOTE)
    if until is not None and until <= now:
        raise InvalidInput("until", _moment(until), "it must be in the future")
    return _Ack(name, note, until, actor, now)


def _write(tx: Tx, ports: Ports, held: Sequence[AlertRow], ack: _Ack) -> list[str]:
    """All of it in one order, the evaluator's: states (held), the rule's counter, alerts."""
    told = telling.acknowledged(tx, ports, held, ack.words, ack.now)
    acks.acknowledge(tx, held, ack.by, ack.note, ack.until, ack.now)
    after = {"by": ack.by, "note": ack.note, "until": ack.until}
    changes = [(one.id, _ack_of(one), after) for one in held]
    audit.record_many(tx, ack.now, ack.actor, "alert.acknowledge", changes)
    return told


def _ack_of(alert: AlertRow) -> dict[str, object] | None:
    """The acknowledgement that an alert has, as the audit shows it."""
    if alert.acked_at is None:
        return None
    return {"by": alert.acked_by, "note": alert.ack_note, "until": alert.acked_until}


def _about(tx: Tx, notification_id: str) -> Acknowledgeable:
    found = outbox.chosen(tx, [notification_id])
    if not found:
        raise NotFound("notification", notification_id, "it may have been deleted")
    told = Notification.model_validate_json(found[0].event.body)
    alerts = listing.alerts_of(tx, notification_id)
    return Acknowledgeable(notification_id, told.rule.title, told.rule.description, tuple(alerts))


def _moment(time: Millis) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S +00:00")
