"""Shell: what a rule would have done over a past range, by the same measuring, deciding and announcing as live ticks.

Reads metric stores only, piece by piece under one deadline, and writes nothing. A range that would take too much work
is refused with what to ask instead; nothing is thinned out in silence. Points that came late are seen in time here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

from shared import conditions
from shared.backtest.collect import Collection
from shared.backtest.findings import MAX_SERIES, Found, Suggested
from shared.backtest.replay import Replay, Silenced, StandIn
from shared.backtest.rereading import Past, Ports, Rereading
from shared.backtest.suggest import suggest, suggestible
from shared.backtest.trace import Trace, Traced
from shared.backtest.tracks import Tracks
from shared.errors import InvalidInput, QueryFailed
from shared.model import BookRows, Millis, MonitorRow, Reading, RuleRow
from shared.plan import Compiled
from shared.rulebook import RuleBook, RuleEntry, updated
from shared.series import parse_series_key, series_text

__all__ = ["Past", "Ports", "Proposal", "backtest", "traced"]

DEADLINE_SECONDS = 30.0
MOST_KEPT = 4_000_000
"""How many readings are kept to try other thresholds on."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rule, stored or not, with its monitors. `known` are keys of series that were seen before the range."""

    rule: RuleRow
    monitors: tuple[MonitorRow, ...]
    tenant: str = "default"
    known: tuple[str, ...] = ()
    silenced: Silenced | None = None


def backtest(
    ports: Ports,
    proposal: Proposal,
    past: Past,
    *,
    suggestions: bool = False,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Found:
    """What the rule would have done. Raises InvalidInput for a rule that can't be evaluated or a range that is too
    much, QueryFailed and Unavailable with the store's words."""
    return _begun(ports, proposal, past, deadline_seconds).found(proposal, suggestions)


def traced(
    ports: Ports,
    proposal: Proposal,
    past: Past,
    since: Millis,
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> tuple[Found, Mapping[str, Sequence[Traced]]]:
    """The same, and every slot from `since` on by series key. Raises as `backtest`."""
    run = _begun(ports, proposal, past, deadline_seconds)
    trace = Trace(since, _absent(run.compiled))
    return run.found(proposal, False, trace), trace.slots


def _begun(ports: Ports, proposal: Proposal, past: Past, deadline_seconds: float) -> "_Run":
    rule = proposal.rule._replace(enabled=True, deleted=False)
    book = updated(None, BookRows(1, proposal.monitors, (rule,)), tenant=proposal.tenant)
    if rule.id in book.problems:
        raise InvalidInput("rule", rule.title, book.problems[rule.id][1])
    entry = book.entry(rule.id)
    reread = Rereading(ports, rule.title, book.groups, past, perf_counter() + deadline_seconds)
    return _Run(book, entry, past, reread)


@dataclass
class _Run:
    book: RuleBook
    entry: RuleEntry
    past: Past
    reread: Rereading

    @property
    def compiled(self) -> Compiled:
        return self.book.compiled[self.entry.rule_id]

    def found(self, proposal: Proposal, suggestions: bool, trace: Trace | None = None) -> Found:
        slots, entry = self.past.slots(), self.entry
        down = entry.condition.get("operator") in ("<", "<=")
        collection = Collection(int(slots[0]), self.past.interval_ms, downwards=down, name=self._name)
        replay = Replay(
            entry,
            _absent(self.compiled),
            known=proposal.known,
            stand_ins=self._stand_ins() if entry.expects else (),
            silenced=proposal.silenced,
        )
        kept = _Kept(suggestible(entry.condition)) if suggestions else None
        for tracks in self.reread.measured(slots):
            self.reread.left(int(tracks.slots[0]))
            played = replay.play(tracks)
            collection.take(tracks, played)
            if trace is not None:
                trace.take(tracks, played)
            if kept is not None:
                kept.take(tracks)
        span_ms = len(slots) * self.past.interval_ms
        in_time = partial(self.reread.left, self.past.end)
        suggested = kept.suggested(entry, span_ms, in_time) if kept is not None else None
        return self._summed(collection, int(slots[0]), len(slots), suggested)

    def _summed(self, found: Collection, start: Millis, slots: int, suggested: Suggested | None) -> Found:
        past, entry = self.past, self.entry
        end = start + slots * past.interval_ms
        series, held = found.finish(end)
        return Found(
            rule_id=entry.rule_id,
            title=entry.title,
            condition=entry.condition_text,
            start=start,
            end=end,
            interval_ms=past.interval_ms,
            lateness_ms=past.lateness_ms,
            slots=slots,
            points=self.reread.points,
            series_count=len(series),
            fired=sum(one.fired for one in series),
            pending_only=sum(one.pending_only for one in series),
            notifications=found.notifications,
            notifications_per_day=round(found.notifications * 86_400_000 / (end - start), 2),
            held_count=found.held_count,
            series=series[:MAX_SERIES],
            left_out=max(len(series) - MAX_SERIES, 0),
            told=tuple(found.told),
            held=held,
            troubles=tuple(found.troubles.most_common(5)),
            suggested=suggested,
        )

    def _stand_ins(self) -> list[StandIn]:
        """What stands in for the rule's monitors until something of them is seen; nothing counts as made later than
        the range begins."""
        made = self.book.rows[self.entry.rule_id].created_at
        monitors = [self.book.monitor(monitor_id) for monitor_id in self.entry.monitors]
        return [
            StandIn(
                monitor.stand_in,
                monitor.id,
                min(max(made, monitor.created_at), self.past.start) + self.compiled.grace_ms,
                bool(monitor.key_tags) and not parse_series_key(monitor.stand_in)[1],
            )
            for monitor in monitors
        ]

    def _name(self, key: str) -> str:
        monitor = self.book.monitors.get(parse_series_key(key)[0])
        own = series_text(key, monitor.name if monitor else "")
        several = len(self.entry.monitors) > 1 and monitor is not None and own != monitor.name
        return f"{monitor.name}: {own}" if several and monitor else own


@dataclass
class _Kept:
    """The readings to try other thresholds on, or why there will be no suggestion."""

    why_not: str
    tracks: list[Tracks] = field(default_factory=list)
    size: int = 0

    def take(self, tracks: Tracks) -> None:
        """Keep these too, as long as there is room."""
        self.size += tracks.value.size
        if self.size > MOST_KEPT:
            self.why_not = self.why_not or "there are too many readings to try other thresholds on"
        if self.why_not:
            self.tracks.clear()
        else:
            self.tracks.append(tracks)

    def suggested(self, entry: RuleEntry, span_ms: int, in_time: Callable[[], object]) -> Suggested:
        """The thresholds that were found; none when the time is over meanwhile, and what was found before stays."""
        if self.why_not:
            return Suggested(None, 0, None, 0, self.why_not)
        try:
            return suggest(entry, self.tracks, span_ms, in_time)
        except QueryFailed:
            return Suggested(None, 0, None, 0, "the time was over before other thresholds were tried")


def _absent(compiled: Compiled) -> Reading:
    """The reading of a series without data: the same for all series of the rule."""
    return conditions.absent(compiled.type, compiled.signature, compiled.numbers, compiled.texts)
