"""Verbs on `audit`: who changed what, when, and what it was before."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from sqlalchemy import select

from shared.model import Millis
from shared.store import managed
from shared.store.engine import Tx
from shared.store.managed import Page
from shared.store.tables import audit


class Actor(str):
    """Who changes something, as text, and by what: the name of a tool, or the words of a command."""

    tool: str

    def __new__(cls, who: str, tool: str = "") -> "Actor":
        """`who` is `mcp:ann` or `cli:ann`, say."""
        made = super().__new__(cls, who)
        made.tool = tool
        return made


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change. `before` and `after` are JSON texts; None where there was or is nothing. `tool` may be unknown."""

    id: str
    at: Millis
    actor: str
    action: str
    object: str
    before: str | None
    after: str | None
    tool: str = ""


_IN_LIST = 400
_COLUMNS = [audit.c[field.name] for field in fields(AuditRow)]


def record(
    tx: Tx, at: Millis, actor: str, action: str, about: str, before: object = None, after: object = None
) -> None:
    """Write one row in the transaction of the change itself. `about` is the id of what changed."""
    record_many(tx, at, actor, action, [(about, before, after)])


def record_many(
    tx: Tx, at: Millis, actor: str, action: str, changes: Iterable[tuple[str, object, object]]
) -> None:
    """The same kind of change of many things, each as (id, before, after): one row for each."""
    alike = {
        "at": at,
        "actor": actor[:200],
        "action": action,
        "tool": actor.tool[:64] if isinstance(actor, Actor) else "",
    }
    rows = [
        {
            "id": f"audit_{secrets.token_hex(10)}",
            "object": about[:100],
            "before": None if before is None else managed.dump(before),
            "after": None if after is None else managed.dump(after),
            **alike,
        }
        for about, before, after in changes
    ]
    tx.insert(audit, rows)


def changes_at(tx: Tx, times: Mapping[str, Millis]) -> dict[str, AuditRow]:
    """Of each object the change that was made at this time; objects without one are left out."""
    found: dict[str, AuditRow] = {}
    ids = list(times)
    for start in range(0, len(ids), _IN_LIST):
        some = ids[start : start + _IN_LIST]
        query = select(*_COLUMNS).where(
            audit.c.tenant == tx.tenant,
            audit.c.object.in_(some),
            audit.c.at.in_({times[one] for one in some}),
        )
        rows = managed.records(tx, AuditRow, query)
        found |= {row.object: row for row in rows if times.get(row.object) == row.at}
    return found


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
