"""The verdict: what receivers were told against what was true. Pure; every complaint is one sentence.

Must not import anything of `shared`: `_input` is what was true, `_told` is what arrived, and nothing else is asked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.soak._input import Episode, Input, Series
from tests.soak._told import FIRING, RESOLVED, Counted, Said, Told

EVERYBODY = "mariadb"
"""Its death takes away every function's record of what it has sent."""
KERNEL_TICK = 0.02
"""How exactly, in seconds, the kernel says when a request came. Not a tolerance for anything else."""


@dataclass(frozen=True, slots=True)
class Death:
    """Something was killed with -9, by this process's clock."""

    at: float
    who: str


@dataclass
class Verdict:
    """What is wrong, and what was counted on the way."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def complain(self, text: str) -> None:
        """One more thing that must not be."""
        self.wrong.append(text)


def judge_program(kind: str, told: Sequence[Told], deaths: Sequence[Death], given: Input) -> Verdict:
    """A channel that gets every alert: episodes, resolves, order and repetitions of each series."""
    verdict = Verdict()
    found: defaultdict[Series, list[Told]] = defaultdict(list)
    for one in told:
        found[one.series].append(one)
    for series in found.keys() - set(given.series):
        verdict.complain(f"{kind}: {series} is told of, and there is no such series")
    lethal = sorted(death.at for death in deaths if death.who in (f"notify-{kind}", EVERYBODY))
    for series in given.series:
        _judge_series(verdict, kind, series, found[series], lethal, given)
    return verdict


def _judge_series(
    verdict: Verdict, kind: str, series: Series, told: Sequence[Told], lethal: Sequence[float], given: Input
) -> None:
    who = f"{kind} {series.rule} {series.key}".strip()
    episodes = given.episodes(series)
    fresh = _without_repetitions(verdict, who, told, lethal)
    by_alert: dict[str, Episode] = {}
    for one in fresh:
        _judge_one(verdict, who, one, episodes, by_alert, given)
    _judge_episodes(verdict, who, episodes, fresh, by_alert)
    _judge_end(verdict, who, told, still=bool(episodes) and episodes[-1].end is None)


def _without_repetitions(
    verdict: Verdict, who: str, told: Sequence[Told], lethal: Sequence[float]
) -> list[Told]:
    """What was new each time. The same told twice needs a death after the first time that explains it."""
    seen: dict[tuple[str, str], Told] = {}
    fresh = []
    for one in told:
        first = seen.setdefault((one.alert, one.event), one)
        if first is one:
            verdict.counts["told"] += 1
            fresh.append(one)
            continue
        verdict.counts["repeated"] += 1
        verdict.counts[
            "repeated under the same id" if first.message == one.message else "repeated in another"
        ] += 1
        if not any(first.at - KERNEL_TICK <= death <= one.at for death in lethal):
            verdict.complain(f"{who}: {one.event} of {one.alert} is told twice, and nobody died in between")
    return fresh


def _judge_one(
    verdict: Verdict,
    who: str,
    one: Told,
    episodes: Sequence[Episode],
    by_alert: dict[str, Episode],
    given: Input,
) -> None:
    if one.event not in (FIRING, RESOLVED):
        verdict.complain(f"{who}: {one.event} is told, which nothing in the input asks for")
        return
    slot = given.slot_of(one.fired)
    episode = next((found for found in episodes if slot is not None and found.holds(slot)), None)
    if episode is None:
        verdict.complain(f"{who}: it is told to have fired in slot {slot}, in which it is clean")
        return
    if by_alert.setdefault(one.alert, episode) != episode:
        verdict.complain(f"{who}: {one.alert} is told with two beginnings")
    if one.event == RESOLVED:
        verdict.counts["resolves"] += 1
        over = given.slot_of(one.resolved or 0)
        if over is None or episode.end is None or over < episode.end or any(e.holds(over) for e in episodes):
            verdict.complain(f"{who}: it is told to be resolved in slot {over}, in which it breaches")


def _judge_episodes(
    verdict: Verdict,
    who: str,
    episodes: Sequence[Episode],
    fresh: Sequence[Told],
    by_alert: dict[str, Episode],
) -> None:
    alerts: defaultdict[Episode, set[str]] = defaultdict(set)
    for alert, episode in by_alert.items():
        alerts[episode].add(alert)
    resolved = {one.alert for one in fresh if one.event == RESOLVED}
    for episode in episodes:
        verdict.counts["episodes"] += 1
        if not alerts[episode]:
            verdict.complain(
                f"{who}: nobody was told of the episode from slot {episode.start} to {episode.end}"
            )
        elif len(alerts[episode]) > 1:
            verdict.complain(f"{who}: the episode from slot {episode.start} is told as several alerts")
        elif episode.end is not None and not alerts[episode] <= resolved:
            verdict.complain(f"{who}: the end in slot {episode.end} was never told")


def _judge_end(verdict: Verdict, who: str, told: Sequence[Told], *, still: bool) -> None:
    """Repetitions count here: a receiver that doesn't look at ids believes what came last."""
    last = told[-1].event if told else RESOLVED
    if (last == FIRING) != still:
        verdict.complain(
            f"{who}: at the end {last} was told last, and it is {'breaching' if still else 'clean'}"
        )


def judge_people(
    said: Sequence[Said], deaths: Sequence[Death], rules: Iterable[str], given: Input
) -> Verdict:
    """A channel for people that is small enough to be told of each rule, in messages or in digests."""
    verdict = Verdict()
    lethal = sorted(death.at for death in deaths if death.who in ("notify-slack", EVERYBODY))
    wanted = set(rules)
    for rule in {one.rule for one in said} - wanted:
        verdict.complain(f"slack: {rule} is told of, and the channel is not for it")
    for rule in sorted(wanted):
        heard = [one for one in said if one.rule == rule]
        episodes = given.episodes(Series(rule))
        _judge_words(verdict, rule, heard, lethal)
        _judge_beginnings(verdict, rule, heard, episodes, given)
        still = bool(episodes) and episodes[-1].end is None
        last = heard[-1].event if heard else RESOLVED
        if (last == FIRING) != still:
            verdict.complain(
                f"slack {rule}: {last} was told last, and it is {'breaching' if still else 'clean'}"
            )
    return verdict


def _judge_beginnings(
    verdict: Verdict, rule: str, heard: Sequence[Said], episodes: Sequence[Episode], given: Input
) -> None:
    """A line says when its alert began. A line about several says so of one, and how many they are."""
    shown: set[Episode] = set()
    for began in sorted({at for one in heard for at in one.began}):
        slot = given.slot_of(began)
        episode = next((found for found in episodes if slot is not None and found.holds(slot)), None)
        if episode is None:
            verdict.complain(f"slack {rule}: it is told to have fired in slot {slot}, in which it is clean")
        else:
            shown.add(episode)
    more = sum(one.alerts - len(one.began) for one in heard)
    verdict.counts["episodes"] += len(episodes)
    if len(shown) + more < len(episodes):
        verdict.complain(f"slack {rule}: {len(episodes)} episodes, and {len(shown)} of them told")


def _judge_words(verdict: Verdict, rule: str, heard: Sequence[Said], lethal: Sequence[float]) -> None:
    """Firing may be told twice in a row, when an end is told with the next beginning; but not of one alert."""
    known: set[tuple[str, frozenset[int]]] = set()
    for one in heard:
        verdict.counts["told"] += 1
        if one.event not in (FIRING, RESOLVED):
            verdict.complain(f"slack {rule}: {one.event} is told, which nothing in the input asks for")
        if one.marked:
            verdict.counts["marked as repeated"] += 1
            if not any(death <= one.at for death in lethal):
                verdict.complain(f"slack {rule}: {one.event} is marked as repeated, and nobody died before")
        elif (one.event, one.began) in known:
            verdict.complain(
                f"slack {rule}: {one.event} is told twice of one alert, and not marked as repeated"
            )
        known.add((one.event, one.began))


def judge_crowd(counted: Sequence[Counted], given: Input) -> Verdict:
    """A channel for people that is told of everything: its digests name the worst, so only counts can be compared.

    Every episode is at least one alert told, and at most two (it began, it ended), but for messages that say that they
    may repeat an earlier one.
    """
    verdict = Verdict()
    episodes = sum(len(given.episodes(series)) for series in given.series)
    plain = sum(one.alerts for one in counted if not one.marked)
    marked = sum(one.alerts for one in counted if one.marked)
    verdict.counts.update(messages=len(counted), alerts=plain, episodes=episodes)
    verdict.counts["marked as repeated"] = marked
    if plain + marked < episodes:
        verdict.complain(f"slack crowd: {episodes} episodes, and {plain + marked} alerts in all digests")
    if plain > 2 * episodes:
        verdict.complain(f"slack crowd: {episodes} episodes, and {plain} alerts without a mark of repetition")
    if len(counted) > max(20, episodes // 4):
        verdict.complain(f"slack crowd: {len(counted)} messages for {episodes} episodes: nothing was folded")
    return verdict
