"""The rules on Tocsin itself (`shared/self_alerts.yaml`): turned on, turned off, and how they do.

They are rules like any other, marked with the label `builtin=true`: what people change of them stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared import conditions
from shared.errors import InvalidInput
from shared.manage import channels as channel_names
from shared.manage import checks, monitors, rules
from shared.manage.drafts import draft_rule
from shared.manage.ports import Ports
from shared.model import Millis, Monitor, Rule
from shared.settings import OWN_SOURCE
from shared.store import audit, managed, standings
from shared.store import monitors as monitor_rows
from shared.store import rules as rule_rows
from shared.store.engine import Tx
from shared.store.standings import RuleStanding

FILE = Path(__file__).parent.parent / "self_alerts.yaml"
RUNBOOKS = "docs/operations.md"
"""The page that has a section for each of them, named by its slug."""
LABEL = {"builtin": "true"}
_PREFIX = "rule_self_"


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """All of them as they are delivered, checked and not stored."""

    monitors: tuple[Monitor, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class SelfAlert:
    """One of them. `rule` is as it is stored, or as it would be; without `standing` it was never turned on."""

    slug: str
    rule: Rule
    standing: RuleStanding | None
    runbook: str

    @property
    def on(self) -> bool:
        """Whether ticks evaluate it."""
        return self.standing is not None and self.rule.enabled


@dataclass(frozen=True, slots=True)
class Switched:
    """The ids of the rules that were made or brought back, and of those that were switched; the rest was so already."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def built_in(channels: Sequence[str] | None = None) -> BuiltIn:
    """The monitors and rules of the file, on these channels. Raises InvalidInput for a file that is not right."""
    document: dict[str, list[dict[str, Any]]] = yaml.safe_load(FILE.read_text("utf-8"))
    made = tuple(
        monitors.draft(**entry, source=OWN_SOURCE, labels=dict(LABEL)) for entry in document["monitors"]
    )
    names = None if channels is None else tuple(channels)
    return BuiltIn(made, tuple(_rule(entry, names) for entry in document["rules"]))


def slug_of(rule_id: str) -> str:
    """The section of the runbook page: `source-unreachable` of `rule_self_source_unreachable`."""
    return rule_id.removeprefix(_PREFIX).replace("_", "-")


def runbook_of(rule_id: str) -> str:
    """Where it says what to do about it."""
    return f"{RUNBOOKS}#{slug_of(rule_id)}"


def turn_on_self_alerts(
    ports: Ports,
    *,
    channels: Sequence[str] | None = None,
    without: Sequence[str] = (),
    actor: str,
    now: Millis,
) -> Switched:
    """Store those that are missing and enable the others. Repeating it changes nothing.

    `channels`: where all of them are told from now on; without it, new ones go to the default channels and others stay
    where they are. `without`: slugs of those that are left as they are. Raises InvalidInput for a channel that nobody
    configured, and for a slug that no self-alert has.
    """
    names = channel_names.checked_names(ports.channels, None if channels is None else tuple(channels))
    wanted = built_in(names)
    slugs = [slug_of(rule.id) for rule in wanted.rules]
    for slug in without:
        if slug not in slugs:
            raise InvalidInput("without", slug, f"valid are {', '.join(slugs)}")
    chosen = BuiltIn(wanted.monitors, tuple(one for one in wanted.rules if slug_of(one.id) not in without))
    return ports.store.write(lambda tx: _store(tx, chosen, names, actor, now))


def _store(tx: Tx, wanted: BuiltIn, names: tuple[str, ...] | None, actor: str, now: Millis) -> Switched:
    for monitor in wanted.monitors:
        _keep_monitor(tx, monitor, actor, now)
    added, changed = [], []
    for rule in wanted.rules:
        row = managed.by_id(tx, rule_rows.KIND, rule.id, deleted=True)
        if row is None:
            rules.insert(tx, rule, actor, now)
            added.append(rule.id)
            continue
        if row.deleted_at is not None:
            managed.restore(tx, rule_rows.KIND, rule.id, now)
            audit.record(tx, now, actor, "rule.restore", rule.id, None, rule.model_dump(mode="json"))
            added.append(rule.id)
        update = {"enabled": True} | ({} if names is None else {"channels": names})
        if _change(tx, rule.id, update, actor, now) and rule.id not in added:
            changed.append(rule.id)
    return Switched(tuple(added), tuple(changed))


def turn_off_self_alerts(ports: Ports, *, actor: str, now: Millis) -> Switched:
    """Disable them; the next tick closes their alerts. They stay as people changed them. Repeating changes nothing."""

    def work(tx: Tx) -> Switched:
        ids = [rule.id for rule in built_in().rules]
        live = [one for one in ids if managed.by_id(tx, rule_rows.KIND, one) is not None]
        return Switched(
            changed=tuple(one for one in live if _change(tx, one, {"enabled": False}, actor, now))
        )

    return ports.store.write(work)


def list_self_alerts(ports: Ports) -> list[SelfAlert]:
    """All of them in the order of the file, those that are not stored too."""
    wanted = built_in().rules

    def work(tx: Tx) -> list[SelfAlert]:
        stored = {rule.id: rule for rule in rule_rows.some(tx, [rule.id for rule in wanted])}
        found = standings.standings(tx, list(stored))
        return [
            SelfAlert(slug_of(one.id), stored.get(one.id, one), found.get(one.id), runbook_of(one.id))
            for one in wanted
        ]

    return ports.store.read(work)


def _rule(entry: dict[str, Any], channels: tuple[str, ...] | None) -> Rule:
    draft = draft_rule(entry)
    if draft.id is None or not draft.id.startswith(_PREFIX):
        raise InvalidInput("id", draft.id, f"expected {_PREFIX} and a name")
    described = f"{draft.description} What to do: {runbook_of(draft.id)}"
    marked = draft.model_copy(update={"description": described, "labels": dict(LABEL)})
    condition, severity = conditions.canonical(draft.condition), checks.severity_of(draft.severity)
    return marked.rule(condition, severity, channels, draft.monitor)


def _keep_monitor(tx: Tx, monitor: Monitor, actor: str, now: Millis) -> None:
    """Store the monitor unless it is there; bring it back if it was deleted."""
    row = managed.by_id(tx, monitor_rows.KIND, monitor.id, deleted=True)
    if row is None:
        monitors.insert(tx, monitor, actor, now)
    elif row.deleted_at is not None:
        managed.restore(tx, monitor_rows.KIND, monitor.id, now)
        audit.record(tx, now, actor, "monitor.restore", monitor.id, None, monitor.model_dump(mode="json"))


def _change(tx: Tx, rule_id: str, values: dict[str, Any], actor: str, now: Millis) -> bool:
    """Write what differs; whether anything did."""
    before = rule_rows.get(tx, rule_id)
    after = before.model_copy(update=values)
    if after == before:
        return False
    stored = rule_rows.update(tx, after, before.version, now)
    shown = before.model_dump(mode="json"), stored.model_dump(mode="json")
    audit.record(tx, now, actor, "rule.update", rule_id, *shown)
    return True
