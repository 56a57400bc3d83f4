"""The judge of the survival run: it is content with the truth, and complains about each kind of untruth."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.soak import _input, _oracle, _told
from tests.soak._input import LEAST_SLOTS, MOST_SLOTS, STEP, Input, Series
from tests.soak._oracle import Death, judge_crowd, judge_people, judge_program
from tests.soak._told import FIRING, RESOLVED, Counted, Said, Told

START = 1_700_000_010_000 // STEP * STEP
RULE = Series("r0000")
"""The series that the cases below are about: it has an episode that is over, and one that is not."""


def given(seed: int = 5) -> Input:
    """Some waves over twenty rules, two of them with three series."""
    made = Input([f"r{number:04d}" for number in range(20)], seed, START)
    for _ in range(8):
        made.next_wave(0.5)
    return made


def wanted(made: Input) -> bool:
    ends = [episode.end for episode in made.episodes(RULE)]
    return len(ends) >= 2 and ends[-1] is None


INPUT = next(made for seed in range(100) if wanted(made := given(seed)))


def truth(made: Input = INPUT) -> list[Told]:
    """What a program is told when all goes well, in the order of the slots."""
    told = []
    for series in made.series:
        for number, episode in enumerate(made.episodes(series)):
            alert = f"alert_{series.rule}_{series.key}_{number}"
            fired = made.time_of(episode.start)
            told.append(Told(episode.start, series, alert, FIRING, fired, None, f"m1 {alert}", False))
            if episode.end is not None:
                over = made.time_of(episode.end)
                told.append(Told(episode.end, series, alert, RESOLVED, fired, over, f"m2 {alert}", False))
    return sorted(told, key=lambda one: one.at)


def of_rule(told: list[Told]) -> list[Told]:
    return [one for one in told if one.series == RULE]


def wrong(told: list[Told], *deaths: Death) -> list[str]:
    return judge_program("webhook", told, deaths, INPUT).wrong


def test_the_truth_in_the_order_of_events_is_right() -> None:
    verdict = judge_program("webhook", truth(), [], INPUT)
    assert verdict.wrong == []
    assert verdict.counts["episodes"] > 40


Change = Callable[[list[Told]], list[Told]]


def without(number: int) -> Change:
    """The rule's message of that number never came."""
    return lambda told: [one for one in told if one is not of_rule(told)[number]]


def changed(number: int, edit: Callable[[Told], Told]) -> Change:
    """The rule's message of that number says something else."""

    def change(told: list[Told]) -> list[Told]:
        chosen = of_rule(told)[number]
        return [edit(one) if one is chosen else one for one in told]

    return change


def again(number: int) -> Change:
    """The rule's message of that number comes once more, at the very end."""
    return lambda told: [*told, replace(of_rule(told)[number], at=9_999.0)]


FIRST = INPUT.episodes(RULE)[0]
UNTRUE: dict[str, tuple[Change, str]] = {
    "an episode of which nobody is told": (
        lambda told: [one for one in told if one.alert != of_rule(told)[0].alert],
        "nobody was told of the episode",
    ),
    "an end that is never told": (without(1), "was never told"),
    "a last beginning that is never told": (without(-1), "nobody was told of the episode"),
    "a beginning while it is clean": (
        changed(0, lambda one: replace(one, fired=INPUT.time_of(FIRST.start - 1))),
        "in which it is clean",
    ),
    "a beginning that is no slot": (
        changed(0, lambda one: replace(one, fired=INPUT.time_of(FIRST.start) + 1)),
        "in which it is clean",
    ),
    "a resolve while it breaches": (
        changed(1, lambda one: replace(one, resolved=INPUT.time_of(FIRST.start + 1))),
        "in which it breaches",
    ),
    "a resolve of what still breaches": (
        lambda told: [
            *told,
            replace(of_rule(told)[-1], event=RESOLVED, resolved=INPUT.time_of(INPUT.slots - 1)),
        ],
        "in which it breaches",
    ),
    "one episode as two alerts": (
        lambda told: [*told, replace(of_rule(told)[-1], alert="another")],
        "is told as several alerts",
    ),
    "one alert with two beginnings": (
        lambda told: [*told, replace(of_rule(told)[-1], alert=of_rule(told)[0].alert, event="x")],
        "which nothing in the input asks for",
    ),
    "a repetition without a death": (again(-1), "told twice, and nobody died in between"),
    "an old message after the newest": (again(1), "resolved was told last, and it is breaching"),
    "a series that there is not": (
        changed(0, lambda one: replace(one, series=Series("r9999"))),
        "there is no such series",
    ),
    "a word that nothing asks for": (
        changed(0, lambda one: replace(one, event="flapping")),
        "which nothing in the input asks for",
    ),
}


@pytest.mark.parametrize("name", UNTRUE)
def test_every_untruth_is_found(name: str) -> None:
    change, complaint = UNTRUE[name]
    assert any(complaint in text for text in wrong(change(truth())))


def test_a_repetition_is_right_when_its_sender_or_the_database_died_in_between_and_only_then() -> None:
    told = again(-1)(truth())
    first = of_rule(told)[-2].at
    for who in ("notify-webhook", "mariadb"):
        assert wrong(told, Death(first + 0.5, who)) == []
    for death in (Death(first - 0.5, "notify-webhook"), Death(first + 0.5, "notify-slack")):
        assert wrong(told, death) != []


def people(made: Input = INPUT) -> list[Said]:
    """What people are told of that rule when all goes well."""
    return [
        Said(one.at, RULE.rule, one.event, 1, frozenset([one.fired]), False) for one in of_rule(truth(made))
    ]


def test_people_who_are_told_each_change_or_all_at_once_are_told_the_truth() -> None:
    assert judge_people(people(), [], [RULE.rule], INPUT).wrong == []
    episodes = len(INPUT.episodes(RULE))
    last = people()[-1]
    folded = [replace(last, alerts=episodes)]
    assert judge_people(folded, [], [RULE.rule], INPUT).wrong == []
    # An end that waited for the next beginning is told with it.
    together = [people()[0], replace(people()[2], alerts=2), *people()[3:]]
    assert [one.event for one in together[:2]] == [FIRING, FIRING]
    assert judge_people(together, [], [RULE.rule], INPUT).wrong == []
    # What never arrived is told by its repetition.
    repeated = [*people()[:-1], replace(last, marked=True)]
    assert judge_people(repeated, [Death(0.0, "notify-slack")], [RULE.rule], INPUT).wrong == []


def test_people_who_are_told_too_little_the_wrong_end_or_something_twice_are_not() -> None:
    def complaints(said: list[Said], *deaths: Death) -> str:
        return "\n".join(judge_people(said, deaths, [RULE.rule], INPUT).wrong)

    last = people()[-1]
    assert "was told last, and it is breaching" in complaints(people()[:-1])
    assert "and 0 of them told" in complaints([])
    assert "of them told" in complaints(people()[2:])
    clean = frozenset([INPUT.time_of(FIRST.start - 1)])
    assert "in which it is clean" in complaints([replace(people()[0], began=clean), *people()[1:]])
    assert "told twice of one alert" in complaints([*people(), last])
    marked = replace(last, at=99.0, marked=True)
    assert "nobody died before" in complaints([*people(), marked])
    assert complaints([*people(), marked], Death(98.0, "notify-slack")) == ""
    assert "the channel is not for it" in complaints([*people(), replace(last, rule="r0001")])


def test_a_crowd_is_told_of_every_episode_and_of_none_three_times() -> None:
    episodes = sum(len(INPUT.episodes(series)) for series in INPUT.series)

    def complaints(*alerts: int) -> list[str]:
        return judge_crowd([Counted(0.0, count, count, False) for count in alerts], INPUT).wrong

    assert complaints(episodes, episodes - 3) == []
    assert complaints(episodes - 1) != []
    assert complaints(episodes, episodes, 1) != []
    assert complaints(*[2] * episodes) != []


@pytest.mark.parametrize("seed", range(20))
def test_no_series_changes_so_often_that_it_flaps_and_nothing_changes_within_five_slots(seed: int) -> None:
    made = given(seed)
    for _ in range(40):
        made.next_wave(0.9)
    assert all(LEAST_SLOTS <= wave.slots <= MOST_SLOTS for wave in made.waves[1:])
    for series in made.series:
        turns = sorted(t for e in made.episodes(series) for t in (e.start, e.end) if t is not None)
        assert all(later - earlier >= LEAST_SLOTS for earlier, later in pairwise(turns))
        # 15 minutes are 30 slots: the sixth change in so many would be told as flapping.
        assert all(turns[n + 5] - turns[n] > 30 for n in range(len(turns) - 5))
    assert any(made.breaches(series, made.slots - 1) for series in made.series)


def test_the_judge_knows_nothing_of_the_product() -> None:
    for module in (_input, _oracle, _told):
        assert module.__file__ is not None
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        names = [
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        ]
        names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert not [name for name in names if name.split(".")[0] in ("shared", "functions", "knative")]
