"""Pure: which rules could not be evaluated in a slot, and why; what of that is news.

A rule over several groups has no data only when every group says so, and is in error when any group is. A tick may
see only some of them, its shard's or those that there was time for: the others are as they were last found.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.model import Health, Millis, RuleHealth
from shared.plan import QueryGroup
from shared.rulebook import RuleBook

Trouble = tuple[Health, str]
Part = tuple[str, str]
"""(rule id, query group id)"""
_FINE = RuleHealth(Health.OK, "", 0)


@dataclass
class Troubles:
    """Collects one slot's troubles, group by group. `unevaluated` are rules that no group could evaluate; `spread` are
    rules over several groups, with their ids, whose troubles are kept in `parts`."""

    unevaluated: dict[str, Trouble] = field(default_factory=dict)
    spread: Mapping[str, frozenset[str]] = field(default_factory=dict)
    alone: dict[str, Trouble] = field(default_factory=dict)
    parts: dict[Part, Trouble] = field(default_factory=dict)
    rules: list[Collection[str]] = field(default_factory=list)
    """Of each group that was looked at. There may be 100,000 of them, so nothing is made of them unless it must."""
    groups: set[str] = field(default_factory=set)
    group_errors: dict[str, tuple[QueryGroup, str]] = field(default_factory=dict)

    def failed(self, group: QueryGroup, why: str) -> None:
        """The group's query failed: all of its rules are in error, with the store's words."""
        self.group_errors[group.id] = (group, why)
        self._looked(group)
        for rule_id in group.rule_ids:
            self._note(rule_id, group.id, (Health.ERROR, why))

    def looked(self, group: QueryGroup, unhealthy: Mapping[str, Trouble], crowded: Mapping[str, int]) -> None:
        """The group was evaluated; these of its rules could not be."""
        self._looked(group)
        for rule_id, trouble in unhealthy.items():
            self._note(rule_id, group.id, trouble)
        for rule_id, count in crowded.items():
            self.crowded(rule_id, group, count)

    def crowded(self, rule_id: str, group: QueryGroup, count: int) -> None:
        """The rule has so many series, here or in all groups together, that it is not evaluated."""
        why = f"{count} series are more than one rule may have"
        self._note(rule_id, group.id, (Health.ERROR, why))

    def refused(self, rule_id: str, why: str) -> None:
        """The rule was evaluated, and the database didn't take what came of it."""
        for group_id in self.spread.get(rule_id, frozenset()) & self.groups or {""}:
            self._note(rule_id, group_id, (Health.ERROR, why))

    def _looked(self, group: QueryGroup) -> None:
        self.groups.add(group.id)
        self.rules.append(group.rule_ids)

    def _note(self, rule_id: str, group_id: str, trouble: Trouble) -> None:
        health, why = trouble
        if rule_id in self.spread:
            self.parts[rule_id, group_id] = (health, why[:500])
        else:
            self.alone[rule_id] = trouble

    def news(self, stored: Mapping[Part, Trouble]) -> dict[Part, Trouble | None]:
        """What to write of the parts: those that differ, None for those that are fine or are no more."""
        over = dict.fromkeys(
            part
            for part in stored
            if part[1] not in self.spread.get(part[0], ())
            or (part[1] in self.groups and part not in self.parts)
        )
        return over | {part: found for part, found in self.parts.items() if stored.get(part) != found}

    def now(self, stored: Mapping[Part, Trouble]) -> dict[str, Trouble]:
        """Every rule that is not fine; `stored` are the parts as they were last found."""
        known = {part: trouble for part, trouble in stored.items() if part not in self.news(stored)}
        by_rule: dict[str, list[Trouble]] = {}
        for (rule_id, _group), trouble in sorted({**known, **self.parts}.items()):
            by_rule.setdefault(rule_id, []).append(trouble)
        spread = {
            rule_id: joined
            for rule_id, troubles in by_rule.items()
            if (joined := _joined(troubles, len(self.spread[rule_id])))
        }
        return {**self.alone, **spread, **self.unevaluated}

    def changes(
        self,
        health: Mapping[str, RuleHealth],
        stored: Mapping[Part, Trouble],
        book: RuleBook,
        slot: Millis,
    ) -> dict[str, RuleHealth]:
        """What to write: new troubles and other reasons, and ok for rules that were looked at and are fine again.

        Other words for the same trouble don't make it younger.
        """
        present, changed = self.now(stored), dict[str, RuleHealth]()
        for rule_id, (found, why) in present.items():
            before = health.get(rule_id, _FINE)
            since = before.since if found is before.health else slot
            item = RuleHealth(found, why[:500], since)
            if item != before:
                changed[rule_id] = item
        was_troubled = health.keys() - present
        groups = self.rules if was_troubled else ()
        looked_at = {rule_id for rules in groups for rule_id in was_troubled.intersection(rules)}
        for rule_id in was_troubled:
            if rule_id in looked_at or rule_id in book.inactive:
                changed[rule_id] = RuleHealth(Health.OK, "", slot)
        return changed

    def group_rows(self, looked: Iterable[QueryGroup], slot: Millis) -> list[dict[str, object]]:
        """Rows of `query_groups`: those looked at, and those that failed with the store's words."""
        done = [(group, "") for group in looked]
        return [
            {
                "id": group.id,
                "source": group.source,
                "database": group.database,
                "measurement": group.measurement,
                "slot": slot,
                "error": why[:500],
            }
            for group, why in [*done, *self.group_errors.values()]
        ]


def _joined(troubles: Sequence[Trouble], groups: int) -> Trouble | None:
    """The trouble of a rule over so many groups, from those that have one; of several the first, whoever looks."""
    for trouble in troubles:
        if trouble[0] is Health.ERROR:
            return trouble
    return troubles[0] if len(troubles) == groups else None
