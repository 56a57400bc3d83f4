"""Looking back: what a rule, stored or only proposed, would have done over a past range. Writes nothing."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared import conditions
from shared.backtest import Past, Proposal, backtest
from shared.backtest.findings import Found
from shared.backtest.replay import Silenced
from shared.errors import InvalidInput
from shared.manage import checks
from shared.manage.drafts import RuleDraft
from shared.manage.ports import Ports
from shared.manage.why import moment
from shared.model import Millis, MonitorRow, Rule, RuleRow
from shared.silences import Quiet, Silence, read_silence, subject
from shared.store import histories, managed, monitors, rules, ticks
from shared.store.engine import Tx
from shared.store.ticks import Pace

DEFAULT_SECONDS = 7 * 86_400
INTERVAL_MS = 30_000
"""How often rules are looked at until a tick says otherwise: the schedule of the tick in `knative/base`."""
LONGEST_SECONDS = 92 * 86_400

log = logging.getLogger("tocsin.manage")


def backtest_rule(
    ports: Ports,
    wanted: str,
    *,
    condition: Mapping[str, Any] | None = None,
    monitor: str | None = None,
    since: Millis | None = None,
    until: Millis | None = None,
    interval_seconds: int | None = None,
    suggestions: bool = False,
    now: Millis,
) -> Found:
    """What the rule (id or title) would have done, as it is or with another condition or monitor; looked at as often
    as ticks come, or every `interval_seconds`.

    Raises NotFound, InvalidInput, and QueryFailed or Unavailable with the store's words.
    """
    past = _past(ports, since, until, interval_seconds, now)

    def work(tx: Tx) -> Proposal:
        rule = rules.find(tx, wanted)
        changes: dict[str, Any] = {}
        if condition is not None:
            changes["condition"] = conditions.canonical(condition)
        if monitor is not None:
            changes |= {"monitor_id": monitors.find(tx, monitor).id, "selector": None}
        known = () if changes else known_series(tx, rule, past)
        return proposal(tx, rule.model_copy(update=changes), known, past)

    return backtest(ports, ports.store.read(work), past, suggestions=suggestions)


def backtest_draft(
    ports: Ports,
    draft: RuleDraft,
    *,
    since: Millis | None = None,
    until: Millis | None = None,
    interval_seconds: int | None = None,
    suggestions: bool = False,
    now: Millis,
) -> Found:
    """What a rule that is not stored would have done. Raises as `backtest_rule`."""
    past = _past(ports, since, until, interval_seconds, now)
    condition, severity = conditions.canonical(draft.condition), checks.severity_of(draft.severity)

    def work(tx: Tx) -> Proposal:
        if (draft.monitor is None) == (draft.selector is None):
            raise InvalidInput("monitor", draft.monitor, "give either a monitor (id or name) or a selector")
        monitor_id = monitors.find(tx, draft.monitor).id if draft.monitor else None
        rule = draft.rule(condition, severity, draft.channels, monitor_id)
        return proposal(tx, rule.model_copy(update={"created_at": past.start}), (), past)

    return backtest(ports, ports.store.read(work), past, suggestions=suggestions)


def pace(ports: Ports) -> Pace:
    """How rules are looked at: as the newest tick did it; before the first, as the settings here say."""
    found = ports.store.read(ticks.pace)
    return found or Pace(INTERVAL_MS, int(ports.settings.lateness_seconds * 1000))


def _past(
    ports: Ports, since: Millis | None, until: Millis | None, interval_seconds: int | None, now: Millis
) -> Past:
    end = now if until is None else until
    start = end - DEFAULT_SECONDS * 1000 if since is None else since
    if interval_seconds is not None and not 1 <= interval_seconds <= 86_400:
        raise InvalidInput("interval", interval_seconds, "expected 1 second to 1 day")
    if end > now:
        raise InvalidInput("until", moment(end), "it must not be in the future")
    if start >= end:
        raise InvalidInput("since", moment(start), "it must be before the end of the range")
    if end - start > LONGEST_SECONDS * 1000:
        raise InvalidInput(
            "since", moment(start), f"a range of {LONGEST_SECONDS // 86_400} days at most is possible"
        )
    # The slot of the end itself is part of the range: its window is complete.
    found = pace(ports)
    interval = found.interval_ms if interval_seconds is None else interval_seconds * 1000
    return Past(start, end + 1, interval, found.lateness_ms)


def proposal(tx: Tx, rule: Rule, known: Sequence[str], past: Past) -> Proposal:
    """The rule with its monitors and the silences of the range. InvalidInput when its selector matches nothing."""
    ids = [rule.monitor_id] if rule.monitor_id else []
    if rule.selector is not None:
        ids = list(monitors.matching(tx, rule.selector))
        if not ids:
            raise InvalidInput("rule", rule.title, "no monitor matches its selector")
    found = histories.monitor_rows(tx, ids)
    return Proposal(rule_row(rule), tuple(found), tx.tenant, tuple(known), _silenced(tx, rule, found, past))


def known_series(tx: Tx, rule: Rule, past: Past) -> list[str]:
    """The keys of the series that the rule had seen when the range began."""
    return [one.key for one in histories.seen_series(tx, rule.id) if one.first_seen < past.start]


def _silenced(tx: Tx, rule: Rule, found: Sequence[MonitorRow], past: Past) -> Silenced | None:
    """What was silenced in each slot, by the silences that there were; None when there was none."""
    made = silences_of(tx, past.start, past.end)
    if not made:
        return None
    labels: dict[str, Mapping[str, str]] = {monitor.id: json.loads(monitor.labels) for monitor in found}

    def silenced(slot: Millis) -> bool | Callable[[str, int], bool]:
        quiet = Quiet(made, slot)
        if not quiet:
            return False
        return lambda key, severity: (
            quiet.over(subject(rule.id, key, severity, rule.labels, lambda name: labels.get(name, {})))
            is not None
        )

    return silenced


def silences_of(tx: Tx, start: Millis, end: Millis) -> list[Silence]:
    """Every silence that may have held in `[start, end)`; one that can't be read silences nothing."""
    made = []
    for row in histories.silences_between(tx, start, end):
        ends = row.ends_at if row.ended_at is None else min(row.ended_at, row.ends_at)
        try:
            made.append(read_silence(row.id, row.matcher, row.starts_at, ends, row.weekly, row.reason))
        except ValueError as error:
            log.warning("silence %s can't be read and silences nothing: %s", row.id, error)
    return made


def rule_row(rule: Rule) -> RuleRow:
    """The rule as the rule book reads it."""
    return RuleRow(
        id=rule.id,
        monitor_id=rule.monitor_id,
        selector=None if rule.selector is None else managed.dump(rule.selector.model_dump()),
        title=rule.title,
        description=rule.description,
        condition=managed.dump(rule.condition),
        severity=int(rule.severity),
        channels=None if rule.channels is None else managed.dump(rule.channels),
        cooldown_seconds=rule.cooldown_seconds,
        repeat_seconds=rule.repeat_seconds,
        group_seconds=rule.group_seconds,
        labels=managed.dump(rule.labels),
        runbook_url=rule.runbook_url,
        enabled=True,
        deleted=False,
        created_at=rule.created_at,
    )
