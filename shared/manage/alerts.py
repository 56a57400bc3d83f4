"""Alerts: what fires or fired, the whole story of one, and acknowledging it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.errors import InvalidInput
from shared.manage import checks
from shared.manage.ports import Ports
from shared.model import Millis, Severity
from shared.store import acks, audit, listing
from shared.store import rules as rule_rows
from shared.store.engine import Tx
from shared.store.listing import AlertRow, DeliveryRow, TransitionRow
from shared.store.managed import Page

STATES = ("firing", "resolved")


@dataclass(frozen=True, slots=True)
class AlertDetail:
    """One alert with the steps of its state and every delivery that told about it, oldest first."""

    alert: AlertRow
    transitions: tuple[TransitionRow, ...]
    deliveries: tuple[DeliveryRow, ...]


def list_alerts(
    ports: Ports,
    *,
    state: str = "",
    rule: str = "",
    severity: str | Severity | None = None,
    acknowledged: bool | None = None,
    since: Millis | None = None,
    until: Millis | None = None,
    limit: int = 50,
    cursor: str = "",
) -> Page[AlertRow]:
    """Alerts, the last to fire first: of one state or rule (id or title), of this severity or worse, and so on."""
    if state and state not in STATES:
        raise InvalidInput("state", state, f"valid are {', '.join(STATES)}", checks.meant(state, STATES))
    least = None if severity is None else checks.severity_of(severity)

    def work(tx: Tx) -> Page[AlertRow]:
        return listing.alerts_page(
            tx,
            state=state,
            rule_id=rule_rows.find(tx, rule).id if rule else "",
            severity=least,
            acknowledged=acknowledged,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
        )

    return ports.store.read(work)


def get_alert(ports: Ports, wanted: str) -> AlertDetail:
    """An alert by its id or the beginning of it."""

    def work(tx: Tx) -> AlertDetail:
        alert = listing.alert(tx, wanted)
        steps, deliveries = listing.transitions_of(tx, alert.id), listing.deliveries_of(tx, alert.id)
        return AlertDetail(alert, tuple(steps), tuple(deliveries))

    return ports.store.read(work)


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

    Raises InvalidInput when `until` is over, and Conflict when the alert has ended.
    """
    name = checks.fits("by", checks.one_line("by", by), 200)
    checks.fits("note", note, 1000)
    if until is not None and until <= now:
        moment = datetime.fromtimestamp(until / 1000, UTC).isoformat(sep=" ", timespec="seconds")
        raise InvalidInput("until", moment, "it must be in the future")

    def work(tx: Tx) -> AlertRow:
        alert = listing.alert(tx, wanted)
        acked = acks.acknowledge(tx, alert, name, note, until, now)
        after = {"by": name, "note": note, "until": until}
        audit.record(tx, now, actor, "alert.acknowledge", alert.id, None, after)
        return acked

    return ports.store.write(work)


def withdraw_acknowledgement(ports: Ports, wanted: str, *, actor: str, now: Millis) -> AlertRow:
    """Take an acknowledgement back. Raises InvalidInput when there is none, Conflict when the alert has ended."""

    def work(tx: Tx) -> AlertRow:
        alert = listing.alert(tx, wanted)
        if alert.acked_at is None:
            raise InvalidInput("alert", alert.id, "it is not acknowledged")
        before = {"by": alert.acked_by, "note": alert.ack_note, "until": alert.acked_until}
        audit.record(tx, now, actor, "alert.withdraw_acknowledgement", alert.id, before)
        return acks.withdraw(tx, alert, now)

    return ports.store.write(work)
