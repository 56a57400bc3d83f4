"""Verbs on `rule_troubles`: what is wrong with a rule in one of its query groups, for rules that have several.

A rule's health follows from all of its groups, but a tick may see only some: those of its shard, or those that it had
time for. What the others last found stands here. Must not know what health follows from it.
"""

from collections.abc import Mapping

from sqlalchemy import delete, select, tuple_

from shared.model import Health
from shared.store.engine import Tx
from shared.store.tables import rule_troubles

Part = tuple[str, str]
"""(rule id, query group id)"""
_IN_LIST = 400


def parts(tx: Tx) -> dict[Part, tuple[Health, str]]:
    """Everything that is wrong with a rule in a group, and why."""
    query = select(
        rule_troubles.c.rule_id, rule_troubles.c.group_id, rule_troubles.c.health, rule_troubles.c.reason
    ).where(rule_troubles.c.tenant == tx.tenant)
    return {(row.rule_id, row.group_id): (Health(row.health), row.reason) for row in tx.conn.execute(query)}


def save(tx: Tx, changed: Mapping[Part, tuple[Health, str] | None]) -> None:
    """Write what is wrong now; None: nothing is."""
    tx.upsert(
        rule_troubles,
        [
            {"rule_id": rule_id, "group_id": group_id, "health": trouble[0].value, "reason": trouble[1]}
            for (rule_id, group_id), trouble in sorted(changed.items())
            if trouble is not None
        ],
    )
    over = sorted(part for part, trouble in changed.items() if trouble is None)
    for start in range(0, len(over), _IN_LIST):
        tx.conn.execute(
            delete(rule_troubles).where(
                rule_troubles.c.tenant == tx.tenant,
                tuple_(rule_troubles.c.rule_id, rule_troubles.c.group_id).in_(over[start : start + _IN_LIST]),
            )
        )
