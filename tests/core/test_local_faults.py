"""Faults on purpose: what the Broker does to events is drawn from the seed, journaled, and otherwise as Knative's."""

from __future__ import annotations

import asyncio

import pytest

from knative.local.__main__ import faults_done
from knative.local.arguments import options, parse
from knative.local.errors import LocalError
from knative.local.faults import Dice, Faults, Kill, Outage
from knative.local.journal import Journal
from tests.support.local_wire import Sink, broker_bench, statuses, trigger
from tests.support.waiting import until

ALL = 1.0


def test_an_event_that_is_dropped_is_taken_and_reaches_nobody() -> None:
    async def scenario() -> None:
        triggers = [trigger("notify"), trigger("other")]
        sinks = {"notify": Sink(), "other": Sink()}
        async with broker_bench(triggers, sinks, at_once=True, faults=Faults(drop=ALL)) as bench:
            assert (await bench.post()).status_code == 202
            assert bench.server.holds == 0
            assert bench.journal.counts["dropped"] == 1
            assert [sink.seen for sink in sinks.values()] == [[], []]
            assert any("lost on purpose" in note.text for note in bench.journal.notes)

    asyncio.run(scenario())


def test_a_synchronous_broker_answers_202_for_an_event_that_it_drops() -> None:
    async def scenario() -> None:
        async with broker_bench(
            [trigger("notify")], {"notify": statuses(500)}, faults=Faults(drop=ALL)
        ) as bench:
            assert (await bench.post()).status_code == 202

    asyncio.run(scenario())


def test_an_event_that_is_duplicated_reaches_each_subscriber_twice_with_the_same_bytes() -> None:
    async def scenario() -> None:
        async with broker_bench(
            [trigger("notify")], {"notify": Sink()}, faults=Faults(duplicate=ALL)
        ) as bench:
            await bench.post()
            first, second = bench.sinks["notify"].seen
            assert (first.body, first.headers["ce-id"]) == (second.body, second.headers["ce-id"])
            assert bench.journal.counts["duplicated"] == 1

    asyncio.run(scenario())


def test_an_event_that_is_held_back_is_overtaken_by_a_later_one() -> None:
    async def scenario() -> None:
        dice = Dice(Journal(), Faults(reorder=0.5, seed=next(filter(_first_only, range(1000)))))
        async with broker_bench(
            [trigger("notify")], {"notify": Sink()}, at_once=True, faults=dice.faults
        ) as bench:
            await bench.post(id="first")
            await bench.post(id="second")
            await until(lambda: len(bench.sinks["notify"].seen) == 2, "both events came")
            assert [seen.headers["ce-id"] for seen in bench.sinks["notify"].seen] == ["second", "first"]
            assert bench.journal.counts["reordered"] == 1

    asyncio.run(scenario())


def _first_only(seed: int) -> bool:
    """Whether this seed holds back the first of two events and not the second."""
    return [bool(wait) for wait in waits(seed, 2)] == [True, False]


def waits(seed: int, count: int) -> list[float]:
    """What these dice do to the next events."""
    dice = Dice(Journal(), Faults(reorder=0.5, seed=seed))
    return [dice.fate("event").waits[0] for _ in range(count)]


def test_the_same_seed_draws_the_same_faults_and_one_fault_does_not_shift_another() -> None:
    assert waits(7, 50) == waits(7, 50)
    assert waits(7, 50) != waits(8, 50)
    alone, together = Dice(Journal(), Faults(drop=0.5)), Dice(Journal(), Faults(drop=0.5, duplicate=0.5))
    lost = [[not dice.fate("event").waits for _ in range(50)] for dice in (alone, together)]
    assert lost[0] == lost[1]
    assert 10 < sum(lost[0]) < 40


def test_the_options_of_the_command_line_become_faults() -> None:
    given = "--broker-drop 5% --broker-duplicate 0.1 --broker-reorder 1 --broker-down 60/5 --kill any --kill evaluate:9"
    found = options(parse([*given.split(), "--seed", "7", "--scale-down-after", "5"]))
    kills = (Kill("any", 30.0), Kill("evaluate", 9.0))
    assert found.faults == Faults(0.05, 0.1, 1.0, Outage(60, 5), kills, 7)
    assert found.scale_down_after == 5
    assert options(parse([])).faults == Faults()


def test_what_went_wrong_is_counted_at_the_end() -> None:
    assert faults_done({"ticks": 7}) == ""
    assert faults_done({"ticks": 7, "dropped": 2, "killed": 1}) == "events lost: 2, functions killed: 1"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("--broker-drop 2", "a probability is needed, such as 0.05 or 5%"),
        ("--broker-drop often", "a probability is needed"),
        ("--broker-reorder nan", "a probability is needed"),
        ("--broker-down 60", "EVERY/FOR in seconds is needed, such as 60/5"),
        ("--broker-down 5/60", "and FOR below EVERY"),
        ("--kill evaluate:0", "FUNCTION or FUNCTION:SECONDS is needed"),
        ("--kill :5", "FUNCTION or FUNCTION:SECONDS is needed"),
        ("--scale-down-after -1", "seconds are needed, or 0 for never"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_its_form(given: str, named: str) -> None:
    with pytest.raises(LocalError, match=named) as refused:
        options(parse(given.split()))
    assert given.split()[0] in str(refused.value)
