"""A backup is taken while Tocsin works, and brought back an hour later: who is told what, how often, and why."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import update

from shared import deliver, manage
from shared.store.engine import Store, Tx, open_store
from shared.store.tables import channel_state
from shared.wiring import Wiring
from tests.support import backups, old_rows
from tests.support.sink import Reply, Request, Sink
from tests.support.world import World

SIGNING_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CHANNELS = """
channels:
  - {name: ops, kind: slack, default: true}
  - {name: hook, kind: webhook, default: true}
"""


class Told:
    """An evaluator on one database and the vendors that hear of it. `since` counts messages from here on."""

    def __init__(self, world: World, vendor: Sink) -> None:
        self.world, self.vendor, self.published = world, vendor, 0
        secrets = {"OPS_URL": "/slack", "HOOK_URL": "/hook"}
        environ = {f"TOCSIN_SECRET_{name}": vendor.url + path for name, path in secrets.items()}
        environ |= {"TOCSIN_SECRET_HOOK_SIGNING_KEY": SIGNING_KEY, "K_SINK": f"{world.sink.url}/broker"}
        self.wiring = Wiring(world.settings, environ)

    def tick(self, number: int, *breaching: str) -> None:
        """A slot in which these hosts are above the threshold, and the others below."""
        self.world.write(number, *(f"m,host={name} value={11 if name in breaching else 9}" for name in "abc"))
        report = self.world.run(number, self.wiring)
        assert report is not None
        assert report.error == ""

    def deliver(self) -> None:
        """Every event that the Broker got since goes to its functions."""
        events = self.world.events()[self.published :]
        self.published += len(events)
        for event in events:
            for kind in ("slack", "webhook"):
                if event.attributes.get(f"to{kind}") == "true":
                    self.wiring.store.write(_no_pause)
                    deliver.run(event, kind, self.wiring)

    def messages(self, path: str) -> list[Request]:
        return [request for request in self.vendor.requests if request.path == path]


def _no_pause(tx: Tx) -> None:
    """Slack takes one message a second."""
    tx.conn.execute(update(channel_state).values(next_send_at=0))


def in_short(messages: Sequence[Request]) -> list[str]:
    """`firing rule_a` for each Slack message, and whether it says that it may repeat."""
    found = []
    for message in messages:
        event = re.search(r"FIRING|RESOLVED", message.text)
        rule = re.search(r"rule_\w", message.text)
        assert event is not None, message.text
        assert rule is not None, message.text
        again = " (may repeat)" if "(may repeat)" in message.text else ""
        found.append(f"{event[0].lower()} {rule[0]}{again}")
    return sorted(found)


def ids(messages: Sequence[Request]) -> set[str]:
    return {message.headers["webhook-id"] for message in messages}


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(Reply(200, body="ok")) as sink:
        yield sink


@pytest.fixture
def broker() -> Iterator[Sink]:
    with Sink(Reply(202)) as sink:
        yield sink


def evaluator(folder: Path, broker: Sink, vendor: Sink, url: str) -> Told:
    settings = {"channels": CHANNELS, "allowed_hosts": "127.0.0.1"}
    return Told(World(folder, broker, url, "embedded:///metrics.db", **settings), vendor)


@pytest.fixture
def before(
    tmp_path: Path, broker: Sink, vendor: Sink, mariadb_url: str, new_mariadb_url: str
) -> Iterator[Told]:
    """a fires and was told; b fires and is yet to be told: then the backup. After it b is told, a ends, c fires.

    The backup is in `new_mariadb_url`.
    """
    made = evaluator(tmp_path, broker, vendor, mariadb_url)
    for name in "abc":
        made.world.add_monitor(f"mon_{name}", where={"host": name}, key=["host"])
        made.world.add_rule(f"rule_{name}", f"mon_{name}")
    made.tick(1, "a")
    made.deliver()
    made.tick(2, "a", "b")
    backups.dump(mariadb_url, tmp_path / "backup.sql")
    made.deliver()
    made.tick(3, "b", "c")
    made.deliver()
    backups.restore(tmp_path / "backup.sql", new_mariadb_url)
    yield made
    made.wiring.close()
    made.world.wiring.close()


@pytest.fixture
def after(before: Told, tmp_path: Path, broker: Sink, vendor: Sink, new_mariadb_url: str) -> Iterator[Told]:
    """The evaluator on the restored database."""
    made = evaluator(tmp_path, broker, vendor, new_mariadb_url)
    made.world.first, made.published = before.world.first, before.published
    yield made
    made.wiring.close()
    made.world.wiring.close()


def test_after_a_restore_everybody_knows_what_is_so_and_repeats_say_that_they_may_be(
    before: Told, after: Told
) -> None:
    seen, hooks = len(before.messages("/slack")), before.messages("/hook")
    assert in_short(before.messages("/slack")) == [
        "firing rule_a",
        "firing rule_b",
        "firing rule_c",
        "resolved rule_a",
    ]

    done = manage.after_restore(after.wiring, actor="ann", now=after.world.wiring.clock())
    after.tick(4, "b", "c")
    after.deliver()

    assert (done.rules, done.deliveries) == (3, 2)
    assert in_short(after.messages("/slack")[seen:]) == [
        "firing rule_b (may repeat)",  # it waited when the backup was made: nobody knows what became of it
        "firing rule_c",  # it fired after the backup, and still does
        "resolved rule_a",  # it fired in the backup, and ended since
    ]
    new = after.messages("/hook")[len(hooks) :]
    repeated = ids(new) & ids(hooks)
    assert len(new) == 3
    assert repeated == ids([hook for hook in hooks if "rule_b" in hook.text]), (
        "a receiver knows the repetition"
    )
    after.tick(5, "b", "c")
    after.deliver()
    assert len(after.messages("/slack")) == seen + 3, "and then it is quiet"


def test_without_saying_so_new_messages_take_the_numbers_of_told_ones(before: Told, after: Told) -> None:
    hooks = before.messages("/hook")

    after.tick(4, "b", "c")
    after.deliver()

    ended = [hook for hook in after.messages("/hook")[len(hooks) :] if "rule_a" in hook.text]
    assert ids(ended) <= ids(hooks), "a receiver would take the new end of rule_a for what it has seen"


def test_a_backup_that_is_taken_while_ticks_write_is_whole(
    tmp_path: Path, broker: Sink, mariadb_url: str, new_mariadb_url: str
) -> None:
    world = World(tmp_path, broker, mariadb_url, "embedded:///metrics.db")
    world.add_many(50)
    with ThreadPoolExecutor(1) as beside:
        taken = beside.submit(lambda: backups.dump(mariadb_url, tmp_path / "backup.sql"))
        ran = 0
        while not taken.done() or ran < 3:
            ran += 1
            world.write(ran, *(f"m,host=h{n} value={11 if ran % 2 else 9}" for n in range(50)))
            assert world.ran(ran).error == ""
        taken.result()
    backups.restore(tmp_path / "backup.sql", new_mariadb_url)

    check_it_works(world, new_mariadb_url, tmp_path, broker, ran)


def test_a_copy_of_sqlite_that_is_taken_while_ticks_write_is_whole(
    tmp_path: Path, broker: Sink, sqlite_url: str
) -> None:
    world = World(tmp_path, broker, sqlite_url, "embedded:///metrics.db")
    world.add_many(20)
    with ThreadPoolExecutor(1) as beside:
        taken = beside.submit(lambda: backups.copy_sqlite(tmp_path / "tocsin.db", tmp_path / "copy.db"))
        for ran in (1, 2, 3):
            world.write(ran, *(f"m,host=h{n} value={11 if ran % 2 else 9}" for n in range(20)))
            assert world.ran(ran).error == ""
        taken.result()

    check_it_works(world, f"sqlite:///{tmp_path}/copy.db", tmp_path, broker, 3)


def check_it_works(world: World, url: str, folder: Path, broker: Sink, ran: int) -> None:
    """No row refers to one that is missing, and the next tick goes well."""
    store: Store = open_store(url, "default")
    assert old_rows.dangling(old_rows.everything(store)) == []
    store.close()
    copy = World(folder, broker, url, "embedded:///metrics.db")
    copy.first = world.first
    manage.after_restore(copy.wiring, actor="ann", now=copy.wiring.clock())
    assert copy.ran(ran + 1).error == ""
    copy.wiring.close()
    world.wiring.close()
