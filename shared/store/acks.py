"""Acknowledging an alert: somebody has seen it, so it is not told again until it worsens, ends, or the time is over.

Two rows say so, in one transaction: the alert for people, the state for the evaluator. A tick that works on the same
state meanwhile notices by the version and decides again.
"""

from sqlalchemy import case, update

from shared.errors import Conflict
from shared.model import Millis, Phase
from shared.store import listing
from shared.store.alerts import OPEN
from shared.store.engine import Tx
from shared.store.listing import AlertRow
from shared.store.tables import alerts, states


def acknowledge(tx: Tx, alert: AlertRow, by: str, note: str, until: Millis | None, now: Millis) -> AlertRow:
    """Acknowledge an open alert, until a time or (None) until it ends; a second one replaces the first.

    Raises Conflict when the alert ended meanwhile.
    """
    # Level 0 would mean no acknowledgement: a series that is clean, but kept firing, has the alert's level.
    level = case((states.c.level > 0, states.c.level), else_=alert.severity)
    _set_state(tx, alert, {"acked_level": level, "acked_until": until or 0})
    _set_alert(
        tx, alert, {"acked_at": now, "acked_by": by[:200], "ack_note": note[:1000], "acked_until": until}, now
    )
    return listing.alert(tx, alert.id)


def withdraw(tx: Tx, alert: AlertRow, now: Millis) -> AlertRow:
    """Take an acknowledgement back: from the next tick on the alert is told as if there had been none."""
    _set_state(tx, alert, {"acked_level": 0, "acked_until": 0})
    _set_alert(tx, alert, {"acked_at": None, "acked_by": "", "ack_note": "", "acked_until": None}, now)
    return listing.alert(tx, alert.id)


def _set_state(tx: Tx, alert: AlertRow, values: dict[str, object]) -> None:
    done = tx.conn.execute(
        update(states)
        .where(
            states.c.tenant == tx.tenant,
            states.c.rule_id == alert.rule_id,
            states.c.series_id == alert.series_id,
            states.c.alert_id == alert.id,
            states.c.phase == Phase.FIRING.value,
        )
        .values({**values, "version": states.c.version + 1})
    )
    if done.rowcount != 1:
        raise Conflict(f"alert {alert.id} is not open any more: it ended before it could be acknowledged")


def _set_alert(tx: Tx, alert: AlertRow, values: dict[str, object], now: Millis) -> None:
    done = tx.conn.execute(
        update(alerts)
        .where(alerts.c.tenant == tx.tenant, alerts.c.id == alert.id, alerts.c.open_key == OPEN)
        .values({**values, "updated_at": now})
    )
    if done.rowcount != 1:
        raise Conflict(f"alert {alert.id} is not open any more: it ended before it could be acknowledged")
