"""A tick in which one rule in a hundred changes state: from its event to the last notification that a Broker took."""

import statistics
from collections.abc import Iterator

from tests.bench._figures import Figure, Row
from tests.bench._fleet import BREACHING, QUIET, STEP
from tests.bench._lab import Lab, Ticked, row_of

_OF = 100
_FIELDS = 4


def rows(lab: Lab) -> Iterator[Row]:
    """Some rules fire in one slot and resolve in the next, then others do; every tick changes one in a hundred."""
    fleet, flips = lab.large(), list[Ticked]()
    count = len(range(0, fleet.count, _OF))
    running = lab.running(fleet)
    lab.say("ticks in which 1 % of the rules change state")
    lab.sink.clear()
    for number in range(1, lab.options.repeat + 1):
        turn, resolves = divmod(number - 1, 2)
        # Rules on the latest price: an average over the window stays high after one clean point.
        some = range(turn * _FIELDS, fleet.count, _OF)
        fleet.send(QUIET if resolves else BREACHING, some, fleet.slot + number * STEP - 1000)
        flips.append(running.tick(number))
        told = len(lab.sink.requests)
        assert told == flips[-1].notifications == count, f"{told} events for {count} flips in tick {number}"
        lab.sink.clear()
    yield row_of("1 % flips", fleet, flips, None, running.peak_mb)
    wall = statistics.median(one.wall for one in flips)
    yield Figure("flips_1pct_publish_s", wall, f"the whole tick, with {count:,} notifications")
    yield Figure("flips_1pct_own_cpu_s", statistics.median(one.cpu for one in flips))
