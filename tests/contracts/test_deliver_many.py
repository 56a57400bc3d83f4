"""Many recipients and several processes at once, on every database: everybody is told exactly once."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from shared import deliver
from shared.errors import InProgress
from shared.settings import Settings
from shared.store.engine import Store
from shared.wiring import Wiring
from tests.support.deliveries import announce, channels_file, empty_store, notification, open_outbox, rows
from tests.support.sink import Reply, Sink
from tests.support.waiting import wait_until

PEOPLE = [f"person-{number}@team.example" for number in range(40)]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = empty_store(database_url)
    yield opened
    opened.close()


def wiring(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> Wiring:
    environ = {
        "TOCSIN_DATABASE_URL": store.url,
        "TOCSIN_CHANNELS_FILE": str(path),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        "TOCSIN_SECRET_TEAM_API_KEY": "SG.planted",
    }
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    return Wiring(Settings(), environ)


def test_forty_people_are_told_once_each_by_three_processes_at_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    with Sink(Reply(202, {"X-Message-Id": "sg"}, hold=released)) as vendor:
        settings = {"from": "tocsin@team.example", "to": PEOPLE, "base_url": vendor.url}
        path = channels_file(tmp_path, {"name": "team", "kind": "email", "settings": settings})
        event = announce(store, notification(1), [("email", "team", one) for one in PEOPLE])
        processes = [wiring(store, path, monkeypatch) for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            running = [pool.submit(deliver.run, event, "email", process) for process in processes]
            wait_until(lambda: sum(one.done() for one in running) == 2, "two of three to stand back")
            released.set()
            wait(running, 20)
        assert [type(one.exception()) for one in running if one.exception()] == [InProgress] * 2
        for process in processes:
            process.close()
        told = Counter(request.json()["personalizations"][0]["to"][0]["email"] for request in vendor.requests)
    assert told == Counter(PEOPLE)
    assert {row["state"] for row in rows(store)} == {"accepted"}
    assert open_outbox(store) == []
