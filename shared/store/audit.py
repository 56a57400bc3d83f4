"""Verbs on `audit`: who changed what, when, and what it was before."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, fields

from sqlalchemy import select

from shared.model import Millis
from shared.store import managed
from shared.store.engine import Tx
from shared.store.managed import Page
from shared.store.tables import audit


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change. `before` and `after` are JSON texts; None where there was or is nothing."""

    id: str
    at: Millis
    actor: str
    action: str
    object: str
    before: str | None
    after: str | None


_COLUMNS = [audit.c[field.name] for field in fields(AuditRow)]


def record(
    tx: Tx, at: Millis, actor: str, action: str, about: str, before: object = None, after: object = None
) -> None:
    """Write one row in the transaction of the change itself. `about` is the id of what changed."""
    record_alike(tx, at, actor, action, [about], before, after)


def record_alike(
    tx: Tx,
    at: Millis,
    actor: str,
    action: str,
    about: Iterable[str],
    before: object = None,
    after: object = None,
) -> None:
    """The same change of many things: one row for each."""
    alike = {
        "at": at,
        "actor": actor[:200],
        "action": action,
        "before": None if before is None else managed.dump(before),
        "after": None if after is None else managed.dump(after),
    }
    tx.insert(
        audit, [{"id": f"audit_{secrets.token_hex(10)}", "object": one[:100], **alike} for one in about]
    )


def first(tx: Tx, about: str) -> AuditRow | None:
    """The oldest change of one object: how it was made."""
    query = select(*_COLUMNS).where(audit.c.tenant == tx.tenant, audit.c.object == about)
    row = tx.conn.execute(query.order_by(audit.c.at, audit.c.id).limit(1)).one_or_none()
    return None if row is None else AuditRow(*row)


def page(tx: Tx, *, about: str = "", limit: int = 100, cursor: str = "") -> Page[AuditRow]:
    """Changes, newest first, optionally only those of one object."""
    query = select(*_COLUMNS).where(audit.c.tenant == tx.tenant)
    if about:
        query = query.where(audit.c.object == about)
    rows, more = managed.page(tx, query, (audit.c.at, audit.c.id), limit, cursor, newest_first=True)
    return Page(tuple(AuditRow(*row) for row in rows), more)
