"""Shell: samples → sights → committed states, alerts and notifications. Gather, decide, commit."""

import logging
from collections.abc import Sequence

from shared.advance import Sight, Step, advance
from shared.commit import Chunk, Commission, commit_chunk
from shared.errors import Refused
from shared.events import Tick
from shared.gather import Gathered, Memory, Ports, gather, stage
from shared.health import Troubles
from shared.model import EventKind, SeriesState
from shared.rulebook import RuleBook, RuleEntry
from shared.series import series_text
from shared.store import states, ticks
from shared.store.engine import Store, Tx
from shared.store.ticks import Claim, TickReport

CHUNK_SERIES = 500
"""About how many series one transaction writes; a chunk is cut between rules only."""

log = logging.getLogger("tocsin.evaluate")


def run(tick: Tick, claimed: Claim, ports: Ports, report: TickReport) -> None:
    """Evaluate the claimed slot and commit what changed; raises Fenced when a newer tick took over."""
    gathered = gather(tick, ports, report)
    with stage(report, "decide"):
        chunks = _chunks(gathered, _decided(gathered, ports.store, tick.slot))
    ports.channels.refresh()
    commission = Commission(claimed, gathered.book, ports.channels, ports.keys, ports.store.tenant, tick.slot)
    with stage(report, "commit"):
        for chunk in chunks:
            _commit(ports, commission, chunk, gathered.troubles, report)
        # Last, because nobody waits for it: a first look may have many series to write down.
        _commit_looks(tick, claimed, ports, gathered)


def preview(tick: Tick, ports: Ports, report: TickReport) -> None:
    """Gather and decide without a claim; nothing is written, what would be told is logged."""
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
        step = advance(entry.decide, entry.announce, before, sight, silenced=False, now=slot)
        if step.matters:
            steps.append(step)
    return steps


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


def _commit(
    ports: Ports, commission: Commission, chunk: Chunk, troubles: Troubles, report: TickReport
) -> None:
    """Commit a chunk; when the database refuses it, each of its rules apart, so that only the bad one stays out."""
    try:
        outcome = ports.store.write(lambda tx: commit_chunk(tx, commission, chunk))
    except Refused as error:
        if len(chunk) > 1:
            for rule in chunk:
                _commit(ports, commission, [rule], troubles, report)
            return
        ((entry, _sights),) = chunk
        log.warning(
            "rule %s could not be committed: %s", entry.rule_id, error, extra={"rule_id": entry.rule_id}
        )
        report.trouble(str(error))
        troubles.refused(entry.rule_id, str(error))
        return
    report.transitions += outcome.transitions
    report.notifications += len(outcome.notifications)
    holds = []
    for entry, _step, said in outcome.steps:
        if said.tell is not None:
            _log_told(commission.book, entry.rule_id, said.tell, said.before, "tells")
            if said.state.cooldown_until > commission.slot:
                holds.append((said.state.rule_id, said.state.series_id, said.state.cooldown_until))
    # A copy for whoever looks into Redis; the truth went into the state rows above.
    ports.leases.hold_cooldowns(holds, commission.slot)


def _commit_looks(tick: Tick, claimed: Claim, ports: Ports, gathered: Gathered) -> None:
    """Record new series, the health of rules where it changed, and when each group was looked at."""
    seen = ports.memory("evaluate", Memory).seen
    fresh = [
        (look, seen.fresh(ports.store, look.group, look.readings, look.crowded, tick.slot))
        for look in gathered.looks
    ]
    rows = [row for _, part in fresh for row in part]
    troubled = ports.store.read(states.troubled)
    changed = gathered.troubles.changes(troubled, gathered.book, tick.slot)
    turns = gathered.troubles.group_rows((look.group for look in gathered.looks), tick.slot)

    def write(tx: Tx) -> None:
        ticks.hold(tx, claimed)
        states.see_series(tx, rows, tick.slot)
        states.set_health(tx, changed)
        ticks.groups_evaluated(tx, turns)

    ports.store.write(write)
    for look, part in fresh:
        seen.remember(look.group, look.readings, look.crowded, part, tick.slot)


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
