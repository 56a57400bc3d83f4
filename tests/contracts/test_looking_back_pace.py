"""Looking back follows the ticks that there are: their interval and their lateness, not the settings of who asks."""

import pytest

from shared import manage, tick
from shared.errors import InvalidInput
from shared.events import Tick
from shared.store import ticks
from shared.store.tables import transitions
from shared.wiring import Wiring
from tests.support.world import World

INTERVAL, LATENESS, SLOTS = 10, 20, 12


def _lived(world: World) -> int:
    """Ticks every 10 s that wait 20 s for points, over a breach of 30 s; returns the last slot."""
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    first, step = world.slot(1), INTERVAL * 1000
    lines = [
        f"m value={50 if 3 <= number < 6 else 1} {first + number * step - 1000}" for number in range(SLOTS)
    ]
    world.wiring.metrics().write("\n".join(lines).encode(), precision="ms")
    late = world.settings.model_copy(update={"lateness_seconds": LATENESS})
    ticking = Wiring(late, {"K_SINK": f"{world.sink.url}/broker"})
    for number in range(SLOTS):
        assert tick.run(Tick(first + number * step, INTERVAL), ticking) is not None
    ticking.close()
    return first + (SLOTS - 1) * step


def test_a_backtest_looks_as_often_and_as_late_as_the_ticks_did(small: World) -> None:
    last = _lived(small)

    found = manage.backtest_rule(small.wiring, "rule_a", since=small.slot(1), until=last, now=last)

    lived = [(row["change"], row["slot"]) for row in small.rows(transitions)]
    assert [(step.change, step.at) for step in found.series[0].steps] == lived
    assert len(lived) == 2


def test_an_explanation_shows_the_slots_that_there_were(small: World) -> None:
    last = _lived(small)

    story = manage.explain_rule(small.wiring, "rule_a", slots=SLOTS, now=last).story

    assert story is not None
    assert [slot.at for slot in story.slots] == [last - n * 10_000 for n in reversed(range(SLOTS))]
    assert [slot.at for slot in story.slots if slot.told] == [row["slot"] for row in small.rows(transitions)]


def test_before_the_first_tick_it_is_as_the_settings_say(small: World) -> None:
    small.add_monitor("mon_a")
    small.add_rule("rule_a")
    small.write(1, "m value=1")
    last = small.slot(4)

    found = manage.backtest_rule(small.wiring, "rule_a", since=small.slot(1), until=last, now=last)

    assert small.wiring.store.read(ticks.pace) is None
    assert (found.interval_ms, found.slots) == (30_000, 4)


def test_an_interval_of_ones_own_is_still_checked(small: World) -> None:
    small.add_monitor("mon_a")
    small.add_rule("rule_a")

    with pytest.raises(InvalidInput, match="1 second to 1 day"):
        manage.backtest_rule(small.wiring, "rule_a", interval_seconds=0, now=small.slot(4))
