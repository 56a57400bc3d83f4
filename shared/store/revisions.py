"""Verbs on `revisions`: the counter by which every process notices that people changed something.

A writer bumps it first and holds the row until its commit, so that writers of one tenant follow each other and no
reader ever sees a revision before the rows that carry it.
"""

from sqlalchemy import select, update

from shared.store.engine import Tx
from shared.store.tables import revisions


def bump(tx: Tx) -> int:
    """Take the next revision for what this transaction writes."""
    tx.insert_missing(revisions, [{"revision": 0}])
    tx.conn.execute(
        update(revisions).where(revisions.c.tenant == tx.tenant).values(revision=revisions.c.revision + 1)
    )
    return current(tx)


def current(tx: Tx) -> int:
    """The revision of the last committed change; 0 when nothing was ever written."""
    query = select(revisions.c.revision).where(revisions.c.tenant == tx.tenant)
    return int(tx.conn.execute(query).scalar_one_or_none() or 0)
