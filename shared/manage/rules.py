"""Rules: describing what to be told about, changing it, and seeing how it does."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from shared import conditions
from shared.doubts import Doubt
from shared.errors import InvalidInput
from shared.manage import channels, checks, doubting
from shared.manage.doubting import doubts_of
from shared.manage.drafts import RuleChanges, RuleDraft
from shared.manage.ports import Ports
from shared.model import Millis, Monitor, Rule, Selector, Severity
from shared.store import audit, monitors, rules, standings
from shared.store.engine import Tx
from shared.store.managed import Page
from shared.store.standings import RuleStanding

_ONE_PLACE = "a rule has either a monitor (id or name) or a selector"


@dataclass(frozen=True, slots=True)
class RuleWritten:
    """A rule as it is now stored, and what may not be as it was meant."""

    rule: Rule
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleItem:
    """A rule in a list: its condition in words, its monitor's name, how it does, why it may never fire."""

    rule: Rule
    condition_text: str
    monitor_name: str
    standing: RuleStanding
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleDetail:
    """Everything about one rule. `told` are the channels that it tells now, `doubts` why it may never fire."""

    rule: Rule
    condition_text: str
    monitor: Monitor | None
    standing: RuleStanding
    told: tuple[str, ...]
    doubts: tuple[Doubt, ...] = ()


def create_rule(ports: Ports, draft: RuleDraft, *, actor: str, now: Millis) -> RuleWritten:
    """Store a new rule on a monitor (id or name) or on what a selector matches.

    Raises InvalidInput for anything that can't be used, NotFound for a monitor that is not there.
    """

    def work(tx: Tx) -> RuleWritten:
        made = drafted(tx, ports, draft)
        return RuleWritten(insert(tx, made.rule, actor, now), made.warnings)

    return ports.store.write(work)


def drafted(tx: Tx, ports: Ports, draft: RuleDraft) -> RuleWritten:
    """The rule that a draft means, checked and not stored. Raises as `create_rule`."""
    condition, severity = conditions.canonical(draft.condition), checks.severity_of(draft.severity)
    names = channels.checked_names(ports.channels, draft.channels)
    monitor = _monitor(tx, draft.monitor, draft.selector)
    rule = draft.rule(condition, severity, names, monitor.id if monitor else None)
    return RuleWritten(rule, warnings_of(tx, ports, rule, monitor))


def insert(tx: Tx, rule: Rule, actor: str, now: Millis) -> Rule:
    """Store a checked rule and who made it."""
    stored = rules.insert(tx, rule, now)
    audit.record(tx, now, actor, "rule.create", stored.id, None, stored.model_dump(mode="json"))
    return stored


def update_rule(
    ports: Ports, wanted: str, changes: RuleChanges, *, actor: str, now: Millis, version: int | None = None
) -> RuleWritten:
    """Change of a rule (id or title) only what is given; `version` is the one that the change was made from.

    Raises as `create_rule`, and Conflict when the rule has another version by now.
    """
    given = changes.given()
    if "condition" in given:
        given["condition"] = conditions.canonical(given["condition"])
    if "channels" in given:
        given["channels"] = channels.checked_names(ports.channels, given["channels"])

    def work(tx: Tx) -> RuleWritten:
        before = rules.find(tx, wanted)
        values: dict[str, Any] = {**before.model_dump(), **given}
        monitor = _place(tx, values)
        rule = checks.checked(Rule, values)
        expected = before.version if version is None else version
        warnings = warnings_of(tx, ports, rule, monitor)
        return RuleWritten(_write(tx, before, rule, expected, "rule.update", actor, now), warnings)

    return ports.store.write(work)


def _place(tx: Tx, values: dict[str, Any]) -> Monitor | None:
    """Put the rule on the monitor or the selector that was given last, and return the monitor."""
    wanted = values.pop("monitor", None)
    if wanted is not None:
        values |= {"monitor_id": monitors.find(tx, wanted).id, "selector": None}
    elif values["selector"] is not None:
        values["monitor_id"] = None
    if values["monitor_id"] is not None:
        return monitors.get(tx, values["monitor_id"])
    if values["selector"] is None:
        raise InvalidInput("monitor", None, _ONE_PLACE)
    return None


def _write(tx: Tx, before: Rule, after: Rule, expected: int, action: str, actor: str, now: Millis) -> Rule:
    stored = rules.update(tx, after, expected, now)
    audit.record(
        tx, now, actor, action, stored.id, before.model_dump(mode="json"), stored.model_dump(mode="json")
    )
    return stored


def set_enabled(ports: Ports, wanted: str, enabled: bool, *, actor: str, now: Millis) -> Rule:
    """Enable or disable a rule; the next tick closes the alerts of a disabled one. Repeating it changes nothing."""

    def work(tx: Tx) -> Rule:
        before = rules.find(tx, wanted)
        if before.enabled is enabled:
            return before
        after = before.model_copy(update={"enabled": enabled})
        action = "rule.enable" if enabled else "rule.disable"
        return _write(tx, before, after, before.version, action, actor, now)

    return ports.store.write(work)


def delete_rule(ports: Ports, wanted: str, *, actor: str, now: Millis, version: int | None = None) -> Rule:
    """Delete a rule; the next tick closes its alerts and tells so. Raises NotFound, Conflict."""

    def work(tx: Tx) -> Rule:
        rule = rules.find(tx, wanted)
        rules.delete(tx, rule.id, rule.version if version is None else version, now)
        audit.record(tx, now, actor, "rule.delete", rule.id, rule.model_dump(mode="json"))
        return rule

    return ports.store.write(work)


def list_rules(
    ports: Ports,
    *,
    enabled: bool | None = None,
    monitor: str = "",
    severity: str | Severity | None = None,
    words: str = "",
    limit: int = 100,
    cursor: str = "",
) -> Page[RuleItem]:
    """Rules in the order of their creation, each with how it does."""
    level = None if severity is None else checks.severity_of(severity)

    def work(tx: Tx) -> Page[RuleItem]:
        monitor_id = monitors.find(tx, monitor).id if monitor else ""
        page = rules.page(
            tx,
            enabled=enabled,
            monitor_id=monitor_id,
            severity=level,
            words=words,
            limit=limit,
            cursor=cursor,
        )
        standing_of = standings.standings(tx, [rule.id for rule in page.items])
        doubts = doubts_of(tx, page.items, standing_of)
        names = monitors.names(tx, [rule.monitor_id for rule in page.items if rule.monitor_id])
        items = [
            RuleItem(
                rule,
                conditions.describe(rule.condition),
                names.get(rule.monitor_id or "", ""),
                standing_of[rule.id],
                doubts[rule.id],
            )
            for rule in page.items
        ]
        return Page(tuple(items), page.cursor, page.total)

    return ports.store.read(work)


def rule_titles(ports: Ports, ids: Collection[str]) -> dict[str, str]:
    """The titles of these rules by id, also of those that are deleted; unknown ids are left out."""
    return ports.store.read(lambda tx: rules.titles(tx, ids))


def get_rule(ports: Ports, wanted: str) -> RuleDetail:
    """One rule by id or title. Raises NotFound, and InvalidInput when several have the title."""

    def work(tx: Tx) -> tuple[Rule, Monitor | None, RuleStanding, tuple[Doubt, ...]]:
        rule = rules.find(tx, wanted)
        monitor = monitors.get(tx, rule.monitor_id, deleted=True) if rule.monitor_id else None
        standing_of = standings.standings(tx, [rule.id])
        return rule, monitor, standing_of[rule.id], doubts_of(tx, [rule], standing_of)[rule.id]

    rule, monitor, standing, doubts = ports.store.read(work)
    told = tuple(channel.name for channel in ports.channels.for_rule(rule.channels))
    return RuleDetail(rule, conditions.describe(rule.condition), monitor, standing, told, doubts)


def _monitor(tx: Tx, monitor: str | None, selector: Selector | None) -> Monitor | None:
    if (monitor is None) == (selector is None):
        raise InvalidInput("monitor", monitor, _ONE_PLACE)
    return None if monitor is None else monitors.find(tx, monitor)


def warnings_of(tx: Tx, ports: Ports, rule: Rule, monitor: Monitor | None) -> tuple[str, ...]:
    """What may not be as it was meant, one sentence each."""
    found = [channels.warning(ports.channels, rule.channels)]
    if monitor is not None:
        found += [*field_warnings(rule, monitor), *doubting.warnings(rule, monitor)]
    elif rule.selector is not None and not monitors.matching(tx, rule.selector):
        found.append("no monitor matches the selector yet")
    twins = rules.ids_titled(tx, rule.title)
    if [other for other in twins if other != rule.id]:
        found.append(f"another rule is called {rule.title!r} too")
    return tuple(text for text in found if text)


def field_warnings(rule: Rule, monitor: Monitor) -> Sequence[str]:
    """Fields that the monitor is not known to have, one sentence each."""
    if not monitor.fields:
        return []
    unknown = [
        f for f in conditions.compiled(rule.condition, rule.severity).fields if f not in monitor.fields
    ]
    listed = ", ".join(sorted(monitor.fields))
    return [
        f"monitor {monitor.name!r} is not known to have a field {field!r}; it has {listed}. "
        f"{checks.meant(field, monitor.fields)}".rstrip()
        for field in unknown
    ]
