"""Verbs that remove what is older than it has to be kept, a batch at a time: which rows may go, and nothing else.

Nothing goes that is open, owed, or referred to by something that is kept. A batch is one short transaction that locks
the rows it looks at, by their keys, and asks again whether they may go: it holds nobody up for long, and may be
repeated, killed and run twice at once. Of notifications only those go whose alerts are settled: what somebody was told
decides what they are told next.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, exists, false, or_, select, true, tuple_

from shared.model import Millis
from shared.store import dead_letters as letters
from shared.store import tables
from shared.store.engine import Tx
from shared.store.settled import in_lists, to_keep
from shared.store.sweeps import BATCH, After, Batch, Rows, Sweep, beyond, remove
from shared.store.tables import (
    alerts,
    audit,
    deliveries,
    monitors,
    notification_alerts,
    outbox,
    rules,
    silences,
    states,
    transitions,
)

NOTIFICATIONS = 1_000
"""Notifications of one transaction: each has a row for every alert and every recipient."""
RESOLVED = "resolved"

# ------------------------------------------------------------------ notifications


def _notifications(tx: Tx, cutoff: Millis, after: After | None, dry: bool) -> Batch:
    """Notifications with their links to alerts and their deliveries: one tells nothing without the others."""
    query = (
        select(outbox.c.created_at, outbox.c.id, outbox.c.next_at)
        .where(outbox.c.tenant == tx.tenant, outbox.c.created_at < cutoff)
        .order_by(outbox.c.created_at, outbox.c.id)
        .limit(NOTIFICATIONS)
    )
    if after is not None:
        query = query.where(beyond([outbox.c.created_at, outbox.c.id], after))
    rows = tx.conn.execute(query).all()
    links = _links(tx, [row.id for row in rows])
    here = list(_a_batch_of([row.id for row in rows], links))
    closed = [row.id for row in rows[: len(here)] if row.next_at is None]
    spared = to_keep(tx, {name: links.get(name, []) for name in closed}, cutoff)
    going = [name for name in closed if name not in spared]
    gone = _count(tx, going, links) if dry else _remove(tx, going)
    ended = len(here) == len(rows) < NOTIFICATIONS
    return Batch(gone, None if ended or not rows else (rows[len(here) - 1].created_at, here[-1]))


def _links(tx: Tx, names: Sequence[str]) -> dict[str, list[str]]:
    """The alerts of each of these notifications."""
    found: dict[str, list[str]] = {}
    link = notification_alerts.c
    for some in in_lists(names):
        query = select(link.notification_id, link.alert_id)
        for row in tx.conn.execute(query.where(link.tenant == tx.tenant, link.notification_id.in_(some))):
            found.setdefault(row.notification_id, []).append(row.alert_id)
    return found


def _a_batch_of(names: Sequence[str], links: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """As many of the names, and one at least, as have a batch of links: one notification may be of 10,000 alerts."""
    total = 0
    for name in names:
        total += len(links.get(name, ()))
        if total > BATCH and total > len(links.get(name, ())):
            return
        yield name


def _count(tx: Tx, going: Sequence[str], links: Mapping[str, Sequence[str]]) -> dict[str, int]:
    told = 0
    for some in in_lists(going):
        query = select(deliveries.c.id).where(
            deliveries.c.tenant == tx.tenant, deliveries.c.notification_id.in_(some)
        )
        told += len(tx.conn.execute(query).all())
    linked = sum(len(links.get(name, ())) for name in going)
    return {"deliveries": told, "notification_alerts": linked, "outbox": len(going)}


def _remove(tx: Tx, going: Sequence[str]) -> dict[str, int]:
    """Lock them in the order in which others do, deliveries first, and remove those that nobody has opened since."""
    closed: set[str] = set()
    opened: set[str] = set()
    for some in in_lists(sorted(going)):
        told = select(deliveries.c.notification_id, deliveries.c.next_at).where(
            deliveries.c.tenant == tx.tenant, deliveries.c.notification_id.in_(some)
        )
        rows = tx.conn.execute(told.with_for_update())
        opened.update(row.notification_id for row in rows if row.next_at is not None)
        mine = select(outbox.c.id).where(
            outbox.c.tenant == tx.tenant, outbox.c.id.in_(some), outbox.c.next_at.is_(None)
        )
        closed.update(tx.conn.execute(mine.order_by(outbox.c.id).with_for_update()).scalars())
    names = [(name,) for name in sorted(closed - opened)]
    return {
        "deliveries": remove(tx, deliveries, [deliveries.c.notification_id], names),
        "notification_alerts": remove(
            tx, notification_alerts, [notification_alerts.c.notification_id], names
        ),
        "outbox": remove(tx, outbox, [outbox.c.id], names),
    }


# ------------------------------------------------------------------ everything else


def _unopened(_cutoff: Millis) -> ColumnElement[bool]:
    """A step whose alert is not open."""
    return ~exists().where(
        alerts.c.tenant == transitions.c.tenant,
        alerts.c.id == transitions.c.alert_id,
        alerts.c.resolved_at.is_(None),
    )


def _over(cutoff: Millis) -> ColumnElement[bool]:
    """An alert that ended, of which nothing is to be told, and that no notification and no step refers to."""
    owing = exists().where(
        states.c.tenant == alerts.c.tenant,
        states.c.rule_id == alerts.c.rule_id,
        states.c.series_id == alerts.c.series_id,
        states.c.active == true(),
        or_(states.c.alert_id == alerts.c.id, states.c.announced_alert == alerts.c.id),
    )
    return and_(
        alerts.c.resolved_at < cutoff,
        ~owing,
        ~_refers(notification_alerts, notification_alerts.c.alert_id, alerts),
        ~_refers(transitions, transitions.c.alert_id, alerts),
    )


def _refers(table: Table, column: ColumnElement[Any], to: Table) -> ColumnElement[bool]:
    return exists().where(table.c.tenant == to.c.tenant, column == to.c.id)


def _nothing_of_it(_cutoff: Millis) -> ColumnElement[bool]:
    """A deleted rule of which nothing else is left."""
    return ~or_(*(_refers(table, table.c.rule_id, rules) for table in (states, alerts, outbox, transitions)))


def _unused(_cutoff: Millis) -> ColumnElement[bool]:
    """A deleted monitor that no rule and no alert names."""
    # Not correlated: alerts aren't indexed by monitor, and are read once for all monitors.
    named = tuple_(monitors.c.tenant, monitors.c.id).in_(select(alerts.c.tenant, alerts.c.monitor_id))
    return and_(~_refers(rules, rules.c.monitor_id, monitors), ~named)


def _ended(cutoff: Millis) -> ColumnElement[bool]:
    return or_(silences.c.ended_at < cutoff, silences.c.ends_at < cutoff)


def _no_longer_asked(_cutoff: Millis) -> ColumnElement[bool]:
    """A change that isn't how a rule came to be that is still there: its idempotency key is compared with that."""
    made = exists().where(rules.c.tenant == audit.c.tenant, rules.c.id == audit.c.object)
    return ~and_(audit.c.action == "rule.create", made)


def _of_deleted_rules(table: Table, among: ColumnElement[bool] | None = None) -> Sweep:
    source = table.join(rules, and_(rules.c.tenant == table.c.tenant, rules.c.id == table.c.rule_id))
    return Sweep("rules", Rows(table, rules.c.deleted_at, source=source, among=among))


SWEEPS: tuple[Sweep, ...] = (
    Sweep("ticks", Rows(tables.ticks, tables.ticks.c.slot)),
    Sweep("ticks", Rows(tables.query_groups, tables.query_groups.c.slot)),
    Sweep("steps", Rows(transitions, transitions.c.slot, _unopened)),
    Sweep("notifications", _notifications),
    Sweep(
        "dead_letters",
        Rows(tables.dead_letters, tables.dead_letters.c.last_at, lambda _cutoff: ~letters.is_open()),
    ),
    Sweep("alerts", Rows(alerts, alerts.c.fired_at, _over, among=alerts.c.state == RESOLVED)),
    _of_deleted_rules(states, states.c.active == false()),
    _of_deleted_rules(tables.series),
    _of_deleted_rules(tables.forgotten),
    Sweep(
        "rules",
        Rows(
            rules,
            rules.c.deleted_at,
            _nothing_of_it,
            with_them=(tables.rule_status, tables.rule_troubles),
        ),
    ),
    Sweep("rules", Rows(monitors, monitors.c.deleted_at, _unused)),
    Sweep("silences", Rows(silences, silences.c.created_at, _ended)),
    Sweep("audit", Rows(audit, audit.c.at, _no_longer_asked)),
)
"""In the order in which one refers to the next."""
