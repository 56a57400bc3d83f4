"""Which of some rules may never fire, and why, for lists: a few statements for all of them."""

from collections.abc import Mapping, Sequence

from shared.doubts import Doubt, doubts_of_condition, doubts_of_history
from shared.model import Health, Monitor, Rule
from shared.store import histories
from shared.store.engine import Tx
from shared.store.standings import RuleStanding


def doubts_of(
    tx: Tx, rules: Sequence[Rule], standings: Mapping[str, RuleStanding]
) -> dict[str, tuple[Doubt, ...]]:
    """The doubts about each of the rules that are enabled, from what is known of their monitors and series."""
    fields = histories.monitor_fields(tx, [rule.monitor_id for rule in rules if rule.monitor_id])
    known = {rule.id: [fields.get(rule.monitor_id, {})] if rule.monitor_id else [] for rule in rules}
    doubted = {rule.id for rule in rules if doubts_about(rule, standings[rule.id], known[rule.id], False)}
    seen = histories.rules_with_series(tx, sorted(doubted))
    return {
        rule.id: doubts_about(rule, standings[rule.id], known[rule.id], rule.id in seen)
        if rule.id in doubted
        else ()
        for rule in rules
    }


def doubts_about(
    rule: Rule, standing: RuleStanding, fields: Sequence[Mapping[str, str]], ever_seen: bool
) -> tuple[Doubt, ...]:
    """The doubts about one rule on monitors with these fields; none about one that is disabled. What was seen weighs
    more than the fields that a monitor was known to have when it was added."""
    if not rule.enabled:
        return ()
    known = doubts_of_condition(rule.condition, rule.severity, fields)
    if ever_seen and standing.health == Health.OK.value:
        known = tuple(doubt for doubt in known if doubt.code == "value")
    return known or doubts_of_history(
        rule.condition,
        rule.severity,
        health=standing.health,
        reason=standing.health_reason,
        ever_seen=ever_seen,
    )


def warnings(rule: Rule, monitor: Monitor) -> list[str]:
    """What is sure already when a rule is written; that a field is not known is said elsewhere."""
    found = doubts_of_condition(rule.condition, rule.severity, [monitor.fields])
    return [f"it can never fire: {doubt.text}" for doubt in found if doubt.sure and doubt.code != "field"]
