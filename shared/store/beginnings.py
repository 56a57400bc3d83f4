"""Ids that begin as somebody began to write them. Nothing here writes or locks."""

from collections.abc import Sequence

from sqlalchemy import Table, select

from shared.store.engine import Tx
from shared.store.tables import alerts, monitors, rules

KINDS: dict[str, Table] = {"rule": rules, "monitor": monitors, "alert": alerts}


def ids(tx: Tx, kind: str, begun: str, limit: int) -> Sequence[str]:
    """Some ids of one of `KINDS`, nothing that was deleted: in their own order, alerts the last to fire first."""
    table = KINDS[kind]
    query = select(table.c.id).where(table.c.tenant == tx.tenant)
    if table is alerts:
        query = query.order_by(table.c.fired_at.desc(), table.c.id.desc())
    else:
        query = query.where(table.c.deleted_at.is_(None)).order_by(table.c.id)
    # What all of them begin with says nothing, and would have the database look at every one.
    if not f"{kind}_".startswith(begun):
        query = query.where(table.c.id.startswith(begun, autoescape=True))
    return list(tx.conn.execute(query.limit(limit)).scalars())
