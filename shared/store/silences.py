"""Verbs on `silences`: when nobody wants to be told about what. The rows only; who is matched is decided elsewhere."""

from dataclasses import asdict, dataclass, fields

from sqlalchemy import select, update

from shared.errors import Conflict, NotFound
from shared.model import Millis
from shared.store import managed, revisions
from shared.store.engine import Tx
from shared.store.managed import Page
from shared.store.tables import silences


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """One silence, in `[starts_at, ends_at)` unless `ended_at` is set. `matcher` and `weekly` are JSON texts."""

    id: str
    matcher: str
    starts_at: Millis
    ends_at: Millis
    weekly: str | None
    reason: str
    created_by: str
    created_at: Millis
    ended_at: Millis | None = None


_COLUMNS = [silences.c[field.name] for field in fields(SilenceRow)]


def insert(tx: Tx, silence: SilenceRow) -> None:
    """Insert a silence and bump the revision."""
    tx.insert(silences, [{**asdict(silence), "revision": revisions.bump(tx)}])


def get(tx: Tx, silence_id: str) -> SilenceRow:
    """The silence with this id. Raises NotFound."""
    query = select(*_COLUMNS).where(silences.c.tenant == tx.tenant, silences.c.id == silence_id)
    row = tx.conn.execute(query).one_or_none()
    if row is None or row.id != silence_id:
        raise NotFound("silence", silence_id)
    return SilenceRow(*row)


def not_over(tx: Tx, now: Millis) -> list[SilenceRow]:
    """Every silence that holds at `now` or will hold later, in the order of their starts."""
    query = select(*_COLUMNS).where(
        silences.c.tenant == tx.tenant, silences.c.ends_at > now, silences.c.ended_at.is_(None)
    )
    return managed.records(tx, SilenceRow, query.order_by(silences.c.starts_at, silences.c.id))


def page(tx: Tx, *, limit: int = 100, cursor: str = "") -> Page[SilenceRow]:
    """All silences, newest first."""
    query = select(*_COLUMNS).where(silences.c.tenant == tx.tenant)
    order = (silences.c.created_at, silences.c.id)
    rows, more = managed.page(tx, query, order, limit, cursor, newest_first=True)
    return Page(tuple(SilenceRow(*row) for row in rows), more)


def end(tx: Tx, silence_id: str, now: Millis) -> None:
    """End a silence before its time. Raises NotFound, and Conflict when somebody ended it already."""
    silence = get(tx, silence_id)
    revision = revisions.bump(tx)
    done = tx.conn.execute(
        update(silences)
        .where(silences.c.tenant == tx.tenant, silences.c.id == silence.id, silences.c.ended_at.is_(None))
        .values(ended_at=now, revision=revision)
    )
    if done.rowcount != 1:
        raise Conflict(f"silence {silence.id} was ended already")
