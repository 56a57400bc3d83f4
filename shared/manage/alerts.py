"""Alerts: what fires or fired, and the whole story of one."""

from dataclasses import dataclass

from shared.errors import InvalidInput
from shared.manage import checks
from shared.manage.ports import Ports
from shared.model import Millis, Severity
from shared.store import listing
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
