"""Event keys and link keys are rotated while everything runs: at each step some processes are a step behind."""

import itertools
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from shared import ack_links, deliver
from shared.ack_links import BadLink
from shared.events import BadSignature, Event, parse_keys, sign, verify
from shared.store.tables import deliveries
from shared.wiring import Wiring
from tests.support.sink import Reply, Sink
from tests.support.world import World

OLD, NEW = "old:b2xkIGtleSBvZiB0aGUgdGVzdHM=", "new:bmV3IGtleSBvZiB0aGUgdGVzdHM="
STEPS = (OLD, f"{OLD},{NEW}", f"{NEW},{OLD}", NEW)
"""What docs/operations.md says: the new key is known to everybody first, then it signs, then the old one goes."""
PUBLIC = "https://tocsin.example"
NAMES = [f"ops{number}" for number in range(1, 13)]
"""A channel for each message: Slack takes one a second."""
CHANNELS = "channels: [" + ", ".join(f"{{name: {name}, kind: slack}}" for name in NAMES) + "]"


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(Reply(200, body="ok")) as sink:
        yield sink


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    with Sink(Reply(202)) as broker:
        made = World(tmp_path, broker, sqlite_url, "embedded:///metrics.db", channels=CHANNELS)
        yield made
        made.wiring.close()


@pytest.fixture
def processes(world: World, vendor: Sink, request: pytest.FixtureRequest) -> Iterator[list[Wiring]]:
    """A process of every step: with own link keys, or with those that follow from the event keys."""
    made = []
    for keys in STEPS:
        chosen = {"event_keys": keys, "public_url": PUBLIC, "allowed_hosts": "127.0.0.1"}
        settings = world.settings.model_dump() | chosen | ({"link_keys": keys} if request.param else {})
        secrets = {f"TOCSIN_SECRET_{name.upper()}_URL": f"{vendor.url}/services/{name}" for name in NAMES}
        environ = {"K_SINK": f"{world.sink.url}/broker", **secrets}
        made.append(Wiring(type(world.settings).model_validate(settings), environ))
    yield made
    for wiring in made:
        wiring.close()


def link_in(vendor: Sink) -> str:
    """The token of the acknowledge link in the last message."""
    found = re.search(rf"{PUBLIC}{ack_links.PATH}([A-Za-z0-9_-]+)", vendor.requests[-1].text)
    assert found, vendor.requests[-1].text
    return found[1]


class Rollout:
    """Rules that fire one after the other, each in the hands of processes of some steps."""

    def __init__(self, world: World, vendor: Sink) -> None:
        self.world, self.vendor, self.count = world, vendor, 0

    def fires(self, evaluate: Wiring, notify: Wiring) -> tuple[Event, str]:
        """A rule fires and somebody is told: its event, and the token of the link in the message."""
        self.count += 1
        name = f"h{self.count}"
        self.world.add_monitor(f"mon_{name}", where={"host": name}, key=["host"])
        self.world.add_rule(f"rule_{name}", f"mon_{name}", channels=[f"ops{self.count}"])
        self.world.write(self.count, f"m,host={name} value=11")
        assert self.world.run(self.count, evaluate) is not None
        event = self.world.events()[-1]
        deliver.run(event, "slack", notify)
        return event, link_in(self.vendor)


@pytest.mark.parametrize(
    "processes", [False, True], ids=["derived link keys", "own link keys"], indirect=True
)
def test_while_a_step_rolls_out_everybody_takes_everybodys_events_and_links(
    world: World, processes: list[Wiring], vendor: Sink
) -> None:
    rollout, now = Rollout(world, vendor), world.wiring.clock()
    for both in pairwise(processes):
        for evaluate, notify in itertools.product(both, both):
            _event, link = rollout.fires(evaluate, notify)
            for page in both:
                ack_links.read(link, page.link_keys, now)

    assert [row["state"] for row in world.rows(deliveries)] == ["delivered"] * rollout.count
    assert rollout.count == 12


@pytest.mark.parametrize(
    "processes", [False, True], ids=["derived link keys", "own link keys"], indirect=True
)
def test_what_is_in_flight_stays_good_until_the_key_that_signed_it_goes(
    world: World, processes: list[Wiring], vendor: Sink
) -> None:
    rollout, now = Rollout(world, vendor), world.wiring.clock()
    first, both, new_first, last = processes
    old_event, old_link = rollout.fires(first, first)
    new_event, new_link = rollout.fires(new_first, new_first)

    for process in (both, new_first):
        deliver.run(old_event, "slack", process)
        ack_links.read(old_link, process.link_keys, now)
    deliver.run(new_event, "slack", last)
    ack_links.read(new_link, last.link_keys, now)

    with pytest.raises(BadSignature, match="no signature by a known key"):
        deliver.run(old_event, "slack", last)
    with pytest.raises(BadLink):
        ack_links.read(old_link, last.link_keys, now)
    assert len(vendor.requests) == 2, "a repeated event tells nothing again"


def test_a_new_key_that_signs_before_everybody_knows_it_is_refused_by_those_who_do_not() -> None:
    """Why it takes three steps, and not one."""
    event = sign(Event({"id": "1", "type": "t", "source": "s"}, b"{}"), parse_keys(f"{NEW},{OLD}"))

    with pytest.raises(BadSignature):
        verify(event, parse_keys(OLD))
