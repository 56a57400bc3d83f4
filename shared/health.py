"""Pure: which rules could not be evaluated in a slot, and why; what of that is news.

A rule over several groups has no data only when every group says so, and is in error when any group is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.model import Health, Millis, RuleHealth
from shared.plan import QueryGroup
from shared.rulebook import RuleBook

Trouble = tuple[Health, str]
_FINE = RuleHealth(Health.OK, "", 0)


@dataclass
class Troubles:
    """Collects one slot's troubles, group by group. `unevaluated` are rules that no group could evaluate."""

    unevaluated: dict[str, Trouble] = field(default_factory=dict)
    errors: dict[str, Trouble] = field(default_factory=dict)
    without_data: dict[str, tuple[str, int]] = field(default_factory=dict)
    rule_groups: dict[str, int] = field(default_factory=dict)
    group_errors: dict[str, tuple[QueryGroup, str]] = field(default_factory=dict)

    def failed(self, group: QueryGroup, why: str) -> None:
        """The group's query failed: all of its rules are in error, with the store's words."""
        self.group_errors[group.id] = (group, why)
        for rule_id in group.rule_ids:
            self._count(rule_id)
            self.errors.setdefault(rule_id, (Health.ERROR, why))

    def looked(self, group: QueryGroup, unhealthy: Mapping[str, Trouble], crowded: Mapping[str, int]) -> None:
        """The group was evaluated; these of its rules could not be."""
        for rule_id in group.rule_ids:
            self._count(rule_id)
        for rule_id, (health, why) in unhealthy.items():
            if health is Health.ERROR:
                self.errors.setdefault(rule_id, (health, why))
            else:
                seen = self.without_data.get(rule_id, (why, 0))
                self.without_data[rule_id] = (seen[0], seen[1] + 1)
        for rule_id, count in crowded.items():
            self.errors[rule_id] = (Health.ERROR, f"{count} series are more than one rule may have")

    def refused(self, rule_id: str, why: str) -> None:
        """The rule was evaluated, and the database didn't take what came of it."""
        self.errors[rule_id] = (Health.ERROR, why)

    def _count(self, rule_id: str) -> None:
        self.rule_groups[rule_id] = self.rule_groups.get(rule_id, 0) + 1

    def now(self) -> dict[str, Trouble]:
        """Every rule that is not fine."""
        silent = {
            rule_id: (Health.NO_DATA, why)
            for rule_id, (why, groups) in self.without_data.items()
            if groups == self.rule_groups.get(rule_id)
        }
        return {**silent, **self.errors, **self.unevaluated}

    def changes(
        self, stored: Mapping[str, RuleHealth], book: RuleBook, slot: Millis
    ) -> dict[str, RuleHealth]:
        """What to write: new troubles and other reasons, and ok for rules that were looked at and are fine again.

        Other words for the same trouble don't make it younger.
        """
        present, changed = self.now(), dict[str, RuleHealth]()
        for rule_id, (health, why) in present.items():
            before = stored.get(rule_id, _FINE)
            since = before.since if health is before.health else slot
            item = RuleHealth(health, why[:500], since)
            if item != before:
                changed[rule_id] = item
        for rule_id in stored:
            if rule_id not in present and (rule_id in self.rule_groups or rule_id in book.inactive):
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
