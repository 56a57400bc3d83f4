"""Pure: what is told when a rule has more series than one rule may have: one alert that speaks of all of them.

Such a rule looks at none of its new series. Whoever relies on it must hear that from it, and not find it out later.
The alert lives beside those of the rule's series, under a key of its own; it ends when the series are fewer again.
"""

from shared.advance import Sight
from shared.model import Reading
from shared.plan import QueryGroup
from shared.rulebook import RuleBook
from shared.series import parse_series_key, series_id, series_key

TOO_MANY = "too_many_series"
"""The reason with which the alert opens."""

_TAGS = (("series", "too many"),)
"""As messages show it, behind the name of the monitor."""

FEWER = Reading(0, True)
"""What is seen of it when the rule's series could be looked at."""


def is_crowd(key: str) -> bool:
    """Whether the key speaks of all series of a rule in one measurement."""
    return parse_series_key(key)[1] == _TAGS


def crowd_sight(book: RuleBook, group: QueryGroup, rule_id: str) -> Sight:
    """A breach that says that the series of the rule are too many; it is about the first of its monitors here."""
    monitor_id = min(one for one in book.targets[rule_id] if (rule_id, one) in group.target_index)
    key = series_key(monitor_id, _TAGS)
    level = book.entry(rule_id).severity
    return Sight(rule_id, series_id(key), key, Reading(level, False, reason=TOO_MANY))


def still_targeted(book: RuleBook, rule_id: str, key: str) -> bool:
    """Whether it speaks of a monitor that the rule still looks at."""
    return is_crowd(key) and parse_series_key(key)[0] in book.targets.get(rule_id, ())
