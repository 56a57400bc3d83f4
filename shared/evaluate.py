"""Shell: samples → sights → committed states, alerts and notifications. Gather, decide, commit."""

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter

from shared import telemetry
from shared.advance import Sight, Step, advance
from shared.charted import Charts
from shared.commit import Chunk, Commission, commit_chunk
from shared.errors import Refused
from shared.events import Tick
from shared.gather import LOOKING, Memory, Ports, gather, stage
from shared.gathered import Gathered
from shared.health import Troubles
from shared.history import charts
from shared.model import EventKind, Health, RuleHealth, SeriesState
from shared.reads import USUAL_MS
from shared.rulebook import RuleBook, RuleEntry
from shared.series import series_text
from shared.silencing import silenced
from shared.store import forgotten, states, ticks, troubles
from shared.store.engine import Store, Tx
from shared.store.ticks import Claim, TickReport

CHUNK_SERIES = 500
"""About how many series one transaction writes; a chunk is cut between rules only."""

log = logging.getLogger("tocsin.evaluate")


def run(tick: Tick, claimed: Claim, ports: Ports, report: TickReport) -> None:
    """Evaluate the claimed slot and commit what changed; raises Fenced when a newer tick took over."""
    began = perf_counter()
    with telemetry.span("gather"), _uncollected():
        gathered = gather(tick, ports, report)
    with _stage(report, "decide"):
        steps = _decided(gathered, ports.store, tick.slot)
        chunks = _chunks(gathered, steps)
    with _stage(report, "chart"):
        left = tick.interval_seconds * LOOKING - (perf_counter() - began)
        drawn = _charts(tick, ports, gathered, steps, left)
    ports.channels.refresh()
    commission = Commission(
        claimed,
        gathered.book,
        gathered.quiet,
        ports.channels,
        ports.keys,
        ports.store.tenant,
        tick.slot,
        drawn,
    )
    with _stage(report, "commit"):
        for chunk in chunks:
            _commit(ports, commission, chunk, gathered.troubles, report)
        # Last, because nobody waits for it: a first look may have many series to write down.
        _commit_looks(tick, claimed, ports, gathered)


@contextmanager
def _stage(report: TickReport, name: str) -> Iterator[None]:
    """A stage that is one piece of work, and a span."""
    with telemetry.span(name), stage(report, name):
        yield


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector: reading makes a million objects, none of them in a cycle, and for every so many
    of them it would walk through the whole rule book to find that out."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def preview(tick: Tick, ports: Ports, report: TickReport) -> None:
    """Gather and decide without a claim; nothing is written, what would be told is logged."""
    with _uncollected():
        gathered = gather(tick, ports, report)
    for step in _decided(gathered, ports.store, tick.slot):
        report.transitions += len(step.transitions)
        if step.announcement.tell is not None:
            report.notifications += 1
            _log_told(
                gathered.book,
                step.before.rule_id,
                step.announcement.tell,
                step.announcement.before,
                "would tell",
            )


# ------------------------------------------------------------------ decide


def _decided(gathered: Gathered, store: Store, slot: int) -> list[Step]:
    """The steps that matter, on the states as they were read."""
    missing = [ref for ref in gathered.sights if ref not in gathered.active]
    stored = store.read(lambda tx: states.some(tx, missing)) if missing else {}
    steps = []
    for ref, sight in gathered.sights.items():
        entry = gathered.book.entry(sight.rule_id)
        before = gathered.active.get(ref) or stored.get(ref) or sight.unknown()
        hushed = silenced(gathered.quiet, gathered.book, entry)
        step = advance(entry.decide, entry.announce, before, sight, silenced=hushed, now=slot)
        if step.matters:
            steps.append(step)
    return steps


def _charts(tick: Tick, ports: Ports, gathered: Gathered, steps: Sequence[Step], seconds: float) -> Charts:
    """The points of what will be told, as far as they come in this time."""
    known = ports.memory("evaluate", Memory).known
    stop = tick.slot - int(ports.settings.lateness_seconds * 1000)
    return charts(
        gathered.book,
        steps,
        ports.metrics,
        lambda group: known[group].every_ms if group in known else USUAL_MS,
        stop,
        seconds,
    )


def _chunks(gathered: Gathered, steps: Sequence[Step]) -> list[list[tuple[RuleEntry, list[Sight]]]]:
    """The sights that lead to a change, by rule; cut between rules, never inside one."""
    by_rule: dict[str, list[Sight]] = {}
    for step in steps:
        state = step.before
        by_rule.setdefault(state.rule_id, []).append(gathered.sights[state.rule_id, state.series_id])
    chunks: list[list[tuple[RuleEntry, list[Sight]]]] = []
    room = 0
    for rule_id in sorted(by_rule):
        if room <= 0:
            chunks.append([])
            room = CHUNK_SERIES
        chunks[-1].append((gathered.book.entry(rule_id), by_rule[rule_id]))
        room -= len(by_rule[rule_id])
    return chunks


# ------------------------------------------------------------------ commit


def _commit(ports: Ports, commission: Commission, chunk: Chunk, found: Troubles, report: TickReport) -> None:
    """Commit a chunk; when the database refuses it, each of its rules apart, so that only the bad one stays out."""
    try:
        outcome = ports.store.write(lambda tx: commit_chunk(tx, commission, chunk))
    except Refused as error:
        if len(chunk) > 1:
            for rule in chunk:
                _commit(ports, commission, [rule], found, report)
            return
        ((entry, _sights),) = chunk
        log.warning(
            "rule %s could not be committed: %s", entry.rule_id, error, extra={"rule_id": entry.rule_id}
        )
        report.trouble(str(error))
        found.refused(entry.rule_id, str(error))
        return
    report.transitions += outcome.transitions
    report.notifications += len(outcome.notifications)
    holds = []
    events = {one.id: made.id for made, alerts, _ in outcome.notifications for one in alerts}
    for entry, _step, said in outcome.steps:
        if said.tell is not None:
            with telemetry.bound(event_id=events.get(said.alert_id)):
                _log_told(commission.book, entry.rule_id, said.tell, said.before, "tells")
            if said.state.cooldown_until > commission.slot:
                holds.append((said.state.rule_id, said.state.series_id, said.state.cooldown_until))
    # A copy for whoever looks into Redis; the truth went into the state rows above.
    ports.leases.hold_cooldowns(holds, commission.slot)


def _commit_looks(tick: Tick, claimed: Claim, ports: Ports, gathered: Gathered) -> None:
    """Record new series, the health of rules where it changed, and when each group was looked at."""
    seen = ports.memory("evaluate", Memory).seen
    kept = [(look, look.seen(gathered.forgotten)) for look in gathered.looks]
    fresh = [
        (look, some, seen.fresh(ports.store, look.group, look.readings, some, tick.slot))
        for look, some in kept
    ]
    rows = [row for _, _, part in fresh for row in part]
    again = [ref for look in gathered.looks for ref in gathered.forgotten.sent_again(look.readings)]
    turns = gathered.troubles.group_rows((look.group for look in gathered.looks), tick.slot)

    def write(tx: Tx) -> dict[str, RuleHealth]:
        ticks.hold(tx, claimed)
        states.see_series(tx, rows, tick.slot)
        forgotten.sent_again(tx, again)
        changed = _write_health(tx, gathered, tick.slot)
        ticks.groups_evaluated(tx, turns)
        return changed

    _log_errors(ports.store.write(write), tick.slot)
    for look, some, part in fresh:
        seen.remember(look.group, look.readings, some, part, tick.slot)


def _log_errors(changed: Mapping[str, RuleHealth], slot: int) -> None:
    """Say once that rules can't be evaluated, when that begins: a line for each reason, because a metric store that
    is down is the same one for 100,000 rules."""
    begun: dict[str, list[str]] = {}
    for rule_id, found in changed.items():
        if found.health is Health.ERROR and found.since == slot:
            begun.setdefault(found.reason, []).append(rule_id)
    for why, rules in begun.items():
        more = f" and {len(rules) - 1} more" if len(rules) > 1 else ""
        extra = {"rule_id": rules[0], "rules": len(rules), "slot": slot}
        log.warning("rule %s%s can't be evaluated: %s", rules[0], more, why, extra=extra)


def _write_health(tx: Tx, gathered: Gathered, slot: int) -> dict[str, RuleHealth]:
    """Write what changed, and return it."""
    found = gathered.troubles
    stored = troubles.parts(tx)
    if rules := {rule_id for rule_id, _ in found.news(stored)}:
        # Shards that look at other groups of these rules wait here, and then see what this one wrote.
        states.lock_counters(tx, sorted(rules))
        stored = troubles.parts(tx)
        troubles.save(tx, found.news(stored))
    changed = found.changes(states.troubled(tx), stored, gathered.book, slot)
    states.set_health(tx, changed)
    return changed


def _log_told(book: RuleBook, rule_id: str, kind: EventKind, state: SeriesState, verb: str) -> None:
    entry = book.entry(rule_id)
    series = series_text(state.key, "")
    shown = state.text or ("no value" if state.value is None else f"value {state.value:g}")
    log.info(
        '%s %s "%s"%s: %s, %s',
        verb,
        kind.value.upper(),
        entry.title,
        f" for {series}" if series else "",
        entry.condition_text,
        shown,
        extra={"rule_id": rule_id, "alert_id": state.alert_id, "slot": state.slot, "event": kind.value},
    )
