"""How rules and channels do, for people: health, why, since when. Nothing here writes or locks."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from shared.model import Millis
from shared.store.engine import Tx
from shared.store.tables import alerts, channel_state, rule_status

_IN_LIST = 400


@dataclass(frozen=True, slots=True)
class RuleStanding:
    """How a rule does: its health, why, since when, and how many of its alerts are open."""

    health: str = "ok"
    health_reason: str = ""
    health_since: Millis = 0
    firing: int = 0


def standings(tx: Tx, rule_ids: Sequence[str]) -> dict[str, RuleStanding]:
    """How these rules do. A rule that was never evaluated is in order."""
    found: dict[str, RuleStanding] = {}
    for start in range(0, len(rule_ids), _IN_LIST):
        some = rule_ids[start : start + _IN_LIST]
        status = select(
            rule_status.c.rule_id,
            rule_status.c.health,
            rule_status.c.health_reason,
            rule_status.c.health_since,
        ).where(rule_status.c.tenant == tx.tenant, rule_status.c.rule_id.in_(some))
        health = {row[0]: row[1:] for row in tx.conn.execute(status)}
        open_ones = (
            select(alerts.c.rule_id, func.count())
            .where(alerts.c.tenant == tx.tenant, alerts.c.open_key == "open", alerts.c.rule_id.in_(some))
            .group_by(alerts.c.rule_id)
        )
        firing = {row[0]: row[1] for row in tx.conn.execute(open_ones)}
        for rule_id in some:
            found[rule_id] = RuleStanding(*health.get(rule_id, ("ok", "", 0)), firing=firing.get(rule_id, 0))
    return found


def channel_health(tx: Tx) -> dict[str, tuple[str, str, Millis]]:
    """(health, reason, since) of every channel that was used, by its name."""
    query = select(
        channel_state.c.channel, channel_state.c.health, channel_state.c.reason, channel_state.c.since
    ).where(channel_state.c.tenant == tx.tenant)
    return {row[0]: (row[1], row[2], row[3]) for row in tx.conn.execute(query)}
