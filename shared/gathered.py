"""Everything that the decisions of one slot are made from, and what could not be looked at. Pure."""

from dataclasses import dataclass, field

from shared.advance import Sight
from shared.crowds import crowd_sight
from shared.forgotten import Forgotten
from shared.health import Troubles
from shared.model import SeriesState
from shared.plan import QueryGroup
from shared.readings import Ints, Readings
from shared.rulebook import RuleBook
from shared.silences import Quiet


@dataclass
class Gathered:
    """Everything that the decisions of one slot are made from, and what could not be looked at."""

    book: RuleBook
    active: dict[tuple[str, str], SeriesState]
    quiet: Quiet
    forgotten: Forgotten = field(default_factory=Forgotten)
    sights: dict[tuple[str, str], Sight] = field(default_factory=dict)
    troubles: Troubles = field(default_factory=Troubles)
    looks: list["Look"] = field(default_factory=list)

    def see(self, sight: Sight) -> None:
        """Add a sight; the first one of a series counts."""
        self.sights.setdefault(sight.ref, self.forgotten.judged(sight) if self.forgotten else sight)

    def leave_out_crowded(self, limit: int) -> None:
        """Of rules whose series are too many in all measurements together, see only what is active already, and the
        alert that says so."""
        some = limit // max(len(self.looks), 1)
        candidates = {rule_id for look in self.looks for rule_id in look.readings.crowded(some)}
        for rule_id in sorted(candidates.intersection(self.troubles.spread)):
            count = sum(look.readings.series_of(rule_id) for look in self.looks)
            if count > limit:
                for look in self.looks:
                    if look.readings.series_of(rule_id):
                        look.left_out.add(rule_id)
                        self.troubles.crowded(rule_id, look.group, count)
                new = [ref for ref in self.sights if ref[0] == rule_id and ref not in self.active]
                for ref in new:
                    del self.sights[ref]
                # In place of what was seen while no measurement alone had too many.
                crowds = [
                    crowd_sight(self.book, look.group, rule_id)
                    for look in self.looks
                    if rule_id in look.left_out
                ]
                self.sights.update({sight.ref: sight for sight in crowds})


@dataclass(frozen=True, slots=True)
class Look:
    """A group whose query succeeded. `left_out`: its rules with too many series, or of which it says nothing."""

    group: QueryGroup
    readings: Readings
    left_out: set[str]

    def seen(self, forgotten: Forgotten) -> Ints:
        """The positions of the series to remember."""
        kept = self.readings.without(self.left_out)
        return forgotten.without(self.readings, kept) if forgotten else kept
