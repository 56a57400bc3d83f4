"""Monitors, rules and silences as one file, in a stable order: for people to read, and for git to compare.

Ids are in it, so that a rename is a rename; what is as by default, and how things stand, is not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any

from shared.conditions import condition_type
from shared.manage import yaml_text
from shared.manage.ports import Ports
from shared.manage.rules_file import SCHEMA, MonitorEntry, RuleEntry, shown_time
from shared.model import Frozen, Millis, Monitor, Rule
from shared.silences import FOREVER, Silence, read_silence
from shared.store import monitors, rules, silences
from shared.store.engine import Tx
from shared.store.silences import SilenceRow

_HEAD = f"""\
# Monitors, rules and silences of Tocsin, for `tocsin rules apply`.
# Durations are seconds. Keys that are left out have their defaults; ids may be left out for new things.
# `version` is what was exported: a rule that somebody changed otherwise since is not overwritten unseen.
schema: {SCHEMA}
"""


@dataclass(frozen=True, slots=True)
class Everything:
    """What is stored: monitors and rules that are not deleted, silences that are not over, by id."""

    monitors: Mapping[str, Monitor]
    rules: Mapping[str, Rule]
    silences: Mapping[str, SilenceRow]


def stored(tx: Tx, now: Millis) -> Everything:
    """Read it: one statement for each table."""
    return Everything(
        {one.id: one for one in monitors.every(tx)},
        {one.id: one for one in rules.every(tx)},
        {one.id: one for one in silences.not_over(tx, now)},
    )


def export_rules(ports: Ports, *, now: Millis) -> str:
    """The text of the file. Applying it changes nothing."""
    return text_of(ports.store.read(lambda tx: stored(tx, now)))


def text_of(found: Everything) -> str:
    """What is stored, as a file."""
    monitor_names = names({one.id: one.name for one in found.monitors.values()})
    rule_names = names({one.id: one.title for one in found.rules.values()})
    by_name = sorted(found.monitors.values(), key=lambda one: (one.name, one.id))
    by_title = sorted(found.rules.values(), key=lambda one: (one.title, one.id))
    by_start = sorted(found.silences.values(), key=lambda one: (one.starts_at, one.id))
    parts = [
        _section("monitors", [_monitor(one) for one in by_name]),
        _section("rules", [_rule(one, monitor_names) for one in by_title]),
        _section("silences", [_silence(one, rule_names, monitor_names) for one in by_start]),
    ]
    return _HEAD + "".join(parts)


def names(titles: Mapping[str, str]) -> dict[str, str]:
    """What each id is called in a file: by its title, or by the id where the title is another's, or another's id."""
    counts = Counter(titles.values())
    return {
        one: title if counts[title] == 1 and (title not in titles or title == one) else one
        for one, title in titles.items()
    }


def silence_of(row: SilenceRow) -> Silence:
    """A stored silence, read."""
    return read_silence(row.id, row.matcher, row.starts_at, row.ends_at, row.weekly, row.reason)


def _section(name: str, entries: Sequence[Mapping[str, Any]]) -> str:
    if not entries:
        return f"\n{name}: []\n"
    return f"\n{name}:\n" + "\n".join(indent(yaml_text.write([entry]), "  ") for entry in entries)


def _monitor(one: Monitor) -> dict[str, Any]:
    return _different(one, MonitorEntry, ("id", "version", "name", "measurement"))


def _rule(one: Rule, monitor_names: Mapping[str, str]) -> dict[str, Any]:
    found = _different(one, RuleEntry, ("id", "version", "title"))
    place = {} if one.monitor_id is None else {"monitor": monitor_names.get(one.monitor_id, one.monitor_id)}
    head = {key: found.pop(key) for key in ("id", "version", "title")}
    # The severity's default is a word, the rule's a number.
    severity = (
        {}
        if one.severity.word == RuleEntry.model_fields["severity"].default
        else {"severity": one.severity.word}
    )
    found.pop("severity", None)
    if one.selector is not None:
        found["selector"] = one.selector.model_dump(exclude_defaults=True)
    return {**head, **place, "condition": _ordered(found.pop("condition")), **severity, **found}


def _different(one: Monitor | Rule, entry: type[Frozen], always: Iterable[str]) -> dict[str, Any]:
    """The keys of an entry whose values are not the default, in the entry's order."""
    plain = one.model_dump(mode="json")
    found = {key: plain[key] for key in always}
    for key, about in entry.model_fields.items():
        default = about.get_default(call_default_factory=True)
        usual = list(default) if isinstance(default, tuple) else default
        if key in plain and key not in found and plain[key] != usual:
            found[key] = plain[key]
    return found


def _ordered(condition: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a condition as people read them: what is compared first. Of its parts, too."""
    first = ("type", "field", "aggregation", "operator", "value")
    known = [*first, *condition_type(condition["type"]).Params.model_fields]
    order = {key: place for place, key in reversed(list(enumerate(known)))}
    found = {key: condition[key] for key in sorted(condition, key=lambda key: order.get(key, len(known)))}
    if "conditions" in found:
        found["conditions"] = [_ordered(part) for part in found["conditions"]]
    return found


def _silence(
    row: SilenceRow, rule_names: Mapping[str, str], monitor_names: Mapping[str, str]
) -> dict[str, Any]:
    one = silence_of(row)
    matcher = one.matcher.model_dump(mode="json", exclude_defaults=True)
    for key, known in (("rules", rule_names), ("monitors", monitor_names)):
        if key in matcher:
            matcher[key] = [known.get(wanted, wanted) for wanted in matcher[key]]
    found: dict[str, Any] = {"id": row.id, **matcher, "starts_at": shown_time(row.starts_at)}
    if row.ends_at != FOREVER:
        found["ends_at"] = shown_time(row.ends_at)
    if one.weekly is not None:
        found["weekly"] = one.weekly.model_dump(mode="json")
    return {**found, "reason": row.reason}
