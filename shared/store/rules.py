"""Verbs on `rules`: what people want to be told. A rule that is deleted stays as a row, so that its alerts close."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import select

from shared.model import Millis, Rule, Selector, Severity
from shared.store import managed
from shared.store.engine import Tx
from shared.store.managed import Page
from shared.store.tables import rules

KIND = managed.Kind(rules, "rule", "title")


def insert(tx: Tx, rule: Rule, now: Millis) -> Rule:
    """Insert a new rule and return it as stored (version 1). Raises InvalidInput when its id was ever taken."""
    managed.insert(tx, KIND, {"id": rule.id, **_columns(rule)}, now)
    return rule.model_copy(update={"version": 1, "created_at": now, "updated_at": now})


def get(tx: Tx, rule_id: str, *, deleted: bool = False) -> Rule:
    """The rule with this id. Raises NotFound that names the closest one."""
    row = managed.by_id(tx, KIND, rule_id, deleted=deleted)
    if row is None:
        raise managed.missing(tx, KIND, rule_id)
    return _rule(row)


def find(tx: Tx, wanted: str) -> Rule:
    """The rule with this id or unambiguous title. Raises NotFound or InvalidInput."""
    return _rule(managed.by_id_or_name(tx, KIND, wanted))


def some(tx: Tx, ids: Collection[str]) -> list[Rule]:
    """The rules with these ids, at most a few hundred, in no order; those that are not there are left out."""
    query = select(rules).where(
        rules.c.tenant == tx.tenant, rules.c.id.in_(ids), rules.c.deleted_at.is_(None)
    )
    return [_rule(row) for row in tx.conn.execute(query)]


def page(
    tx: Tx,
    *,
    enabled: bool | None = None,
    monitor_id: str = "",
    severity: Severity | None = None,
    words: str = "",
    limit: int = 100,
    cursor: str = "",
) -> Page[Rule]:
    """Rules in the order of their creation; all conditions that are given must hold (`words`: in title or text)."""
    query = select(rules).where(rules.c.tenant == tx.tenant, rules.c.deleted_at.is_(None))
    if enabled is not None:
        query = query.where(rules.c.enabled.is_(enabled))
    if monitor_id:
        query = query.where(rules.c.monitor_id == monitor_id)
    if severity is not None:
        query = query.where(rules.c.severity == int(severity))
    if words:
        either = managed.containing(rules.c.title, words) | managed.containing(rules.c.description, words)
        query = query.where(either)
    rows, more = managed.page(tx, query, (rules.c.created_at, rules.c.id), limit, cursor)
    return Page(tuple(_rule(row) for row in rows), more, managed.total(tx, query))


def update(tx: Tx, rule: Rule, expected: int, now: Millis) -> Rule:
    """Overwrite the rule if it still has version `expected`. Raises Conflict or NotFound."""
    managed.change(tx, KIND, rule.id, _columns(rule), expected, now)
    return rule.model_copy(update={"version": expected + 1, "updated_at": now})


def delete(tx: Tx, rule_id: str, expected: int, now: Millis) -> None:
    """Mark the rule as deleted if it still has version `expected`; the next tick closes its alerts."""
    managed.change(tx, KIND, rule_id, {"deleted_at": now}, expected, now)


def every(tx: Tx) -> list[Rule]:
    """Every rule, in the order of their creation."""
    query = select(rules).where(rules.c.tenant == tx.tenant, rules.c.deleted_at.is_(None))
    return [_rule(row) for row in tx.conn.execute(query.order_by(rules.c.created_at, rules.c.id))]


def put(tx: Tx, given: Collection[Rule], now: Millis) -> list[Rule]:
    """Write whole rules, new ones and those that are there, and return them as stored. See `managed.put`."""
    versions = managed.put(tx, KIND, {rule.id: _columns(rule) for rule in given}, now)
    return [rule.model_copy(update={"version": versions[rule.id], "updated_at": now}) for rule in given]


def titles_on(tx: Tx, monitor_id: str) -> list[str]:
    """The titles of the rules on one monitor."""
    query = select(rules.c.title).where(
        rules.c.tenant == tx.tenant, rules.c.monitor_id == monitor_id, rules.c.deleted_at.is_(None)
    )
    return list(tx.conn.execute(query.order_by(rules.c.title)).scalars())


def titles(tx: Tx, ids: Collection[str]) -> dict[str, str]:
    """The titles of these rules by id, also of those that are deleted; unknown ids are left out."""
    query = select(rules.c.id, rules.c.title).where(rules.c.tenant == tx.tenant, rules.c.id.in_(ids))
    return {row.id: row.title for row in tx.conn.execute(query)}


def ids_titled(tx: Tx, title: str) -> list[str]:
    """The ids of the rules with exactly this title."""
    query = select(rules.c.id, rules.c.title).where(
        rules.c.tenant == tx.tenant, rules.c.title == title, rules.c.deleted_at.is_(None)
    )
    return [row.id for row in tx.conn.execute(query) if row.title == title]


def _columns(rule: Rule) -> dict[str, Any]:
    plain = rule.model_dump(
        exclude={"id", "selector", "condition", "channels", "labels", "version", "created_at", "updated_at"}
    )
    return {
        **plain,
        "severity": int(rule.severity),
        "selector": None if rule.selector is None else managed.dump(rule.selector.model_dump()),
        "condition": managed.dump(rule.condition),
        "channels": None if rule.channels is None else managed.dump(rule.channels),
        "labels": managed.dump(rule.labels),
    }


def _rule(row: Any) -> Rule:
    return Rule(
        id=row.id,
        monitor_id=row.monitor_id,
        selector=None if row.selector is None else Selector(**json.loads(row.selector)),
        title=row.title,
        description=row.description,
        condition=json.loads(row.condition),
        severity=Severity(row.severity),
        channels=None if row.channels is None else tuple(json.loads(row.channels)),
        cooldown_seconds=row.cooldown_seconds,
        repeat_seconds=row.repeat_seconds,
        group_seconds=row.group_seconds,
        labels=json.loads(row.labels),
        runbook_url=row.runbook_url,
        enabled=row.enabled,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
