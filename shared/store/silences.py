"""Verbs on `silences`: when nobody wants to be told about what. The rows only; who is matched is decided elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

from sqlalchemy import select, update

from shared.errors import Conflict, InvalidInput, NotFound
from shared.model import Millis
from shared.store import managed, revisions
from shared.store.alerts import OPEN
from shared.store.engine import Tx
from shared.store.managed import Page
from shared.store.tables import alerts, monitors, rules, silences, states


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


@dataclass(frozen=True, slots=True)
class FiringRow:
    """An open alert as matchers see it; labels are JSON texts, those of its monitor empty when that is gone."""

    rule_id: str
    key: str
    level: int
    rule_labels: str
    monitor_labels: str | None


_IN_LIST = 400
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


def find(tx: Tx, wanted: str) -> SilenceRow:
    """The silence with this id, or whose id begins so. Raises NotFound, and InvalidInput when several begin so."""
    query = select(*_COLUMNS).where(
        silences.c.tenant == tx.tenant, silences.c.id.startswith(wanted, autoescape=True)
    )
    rows = managed.records(tx, SilenceRow, query.order_by(silences.c.id).limit(3))
    exact = next((row for row in rows if row.id == wanted), None)
    if exact is not None:
        return exact
    if not wanted or not rows:
        raise NotFound("silence", wanted, "list the silences to see their ids")
    if len(rows) > 1:
        raise InvalidInput(
            "silence", wanted, "several silences begin with it", f"Two of them: {rows[0].id}, {rows[1].id}"
        )
    return rows[0]


def not_over(tx: Tx, now: Millis) -> list[SilenceRow]:
    """Every silence that holds at `now` or will hold later, in the order of their starts."""
    query = select(*_COLUMNS).where(
        silences.c.tenant == tx.tenant, silences.c.ends_at > now, silences.c.ended_at.is_(None)
    )
    return managed.records(tx, SilenceRow, query.order_by(silences.c.starts_at, silences.c.id))


def page(
    tx: Tx, *, over: bool | None = None, now: Millis = 0, limit: int = 100, cursor: str = ""
) -> Page[SilenceRow]:
    """Silences, newest first: all, or only those that are over at `now`, or only the others."""
    query = select(*_COLUMNS).where(silences.c.tenant == tx.tenant)
    lasts = silences.c.ended_at.is_(None) & (silences.c.ends_at > now)
    if over is not None:
        query = query.where(~lasts if over else lasts)
    order = (silences.c.created_at, silences.c.id)
    rows, more = managed.page(tx, query, order, limit, cursor, newest_first=True)
    return Page(tuple(SilenceRow(*row) for row in rows), more, managed.total(tx, query))


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


def some(tx: Tx, ids: Sequence[str]) -> list[SilenceRow]:
    """The silences with these ids, over or not; those that are not there are left out."""
    found: list[SilenceRow] = []
    for start in range(0, len(ids), _IN_LIST):
        query = select(*_COLUMNS).where(
            silences.c.tenant == tx.tenant, silences.c.id.in_(ids[start : start + _IN_LIST])
        )
        found += managed.records(tx, SilenceRow, query)
    return found


def put(tx: Tx, rows: Iterable[SilenceRow]) -> None:
    """Write whole silences, new ones and those that are there."""
    revision = revisions.bump(tx)
    tx.upsert(silences, [{**asdict(row), "revision": revision} for row in rows])


def titles(tx: Tx, rule_ids: Iterable[str]) -> dict[str, str]:
    """The titles of rules, deleted ones too, by id."""
    query = select(rules.c.id, rules.c.title).where(
        rules.c.tenant == tx.tenant, rules.c.id.in_(sorted(rule_ids))
    )
    return {row.id: row.title for row in tx.conn.execute(query)}


def firing(tx: Tx) -> list[FiringRow]:
    """Every open alert, to say how many of them a silence is about."""
    query = (
        select(states.c.rule_id, states.c.key, states.c.level, rules.c.labels, monitors.c.labels)
        .select_from(alerts)
        .join(
            states,
            (states.c.tenant == alerts.c.tenant)
            & (states.c.rule_id == alerts.c.rule_id)
            & (states.c.series_id == alerts.c.series_id),
        )
        .join(rules, (rules.c.tenant == alerts.c.tenant) & (rules.c.id == alerts.c.rule_id))
        .outerjoin(
            monitors,
            (monitors.c.tenant == alerts.c.tenant)
            & (monitors.c.id == alerts.c.monitor_id)
            & monitors.c.deleted_at.is_(None),
        )
        .where(alerts.c.tenant == tx.tenant, alerts.c.open_key == OPEN)
    )
    return managed.records(tx, FiringRow, query)
