"""The notify functions as real processes: one message for each delivery, whatever the broker and the vendor do."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.events import Event, parse_keys, sign
from shared.store import dead_letters
from shared.store.engine import Store
from tests.support.deliveries import (
    announce,
    binary,
    channels_file,
    compact,
    empty_store,
    make_due,
    notification,
    open_outbox,
    rows,
)
from tests.support.functions import FunctionProcess, running_function
from tests.support.sink import Reply, Sink
from tests.support.waiting import wait_until

OPS = ("slack", "ops", "")
SECRET_PATH = "/services/T0PSECRET/B0PSECRET/pl4nt3dT0k3n"
pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = empty_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(default=Reply(200, body="ok")) as sink:
        yield sink


def environment(store: Store, folder: Path, vendor: Sink, **more: str) -> dict[str, str]:
    backup = {"name": "backup", "kind": "slack"}
    path = channels_file(folder, {"name": "ops", "kind": "slack", "fallback": "backup"}, backup)
    return {
        "TOCSIN_DATABASE_URL": store.url,
        "TOCSIN_STATE_DIR": str(folder),
        "TOCSIN_CHANNELS_FILE": str(path),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        "TOCSIN_SECRET_OPS_URL": vendor.url + SECRET_PATH,
        "TOCSIN_SECRET_BACKUP_URL": vendor.url + "/services/backup",
        **more,
    }


@contextmanager
def notify(store: Store, folder: Path, vendor: Sink, **more: str) -> Iterator[FunctionProcess]:
    with running_function("notify_slack", environment(store, folder, vendor, **more)) as process:
        yield process


def post(process: FunctionProcess, event: Event) -> httpx.Response:
    headers, body = binary(event)
    return httpx.post(process.url, headers=headers, content=body, timeout=40, trust_env=False)


def states(store: Store) -> list[str]:
    return [row["state"] for row in rows(store)]


def test_every_delivery_becomes_exactly_one_message_whatever_happens(
    store: Store, vendor: Sink, tmp_path: Path
) -> None:
    with notify(store, tmp_path, vendor) as process:
        # A plain success.
        first = announce(store, notification(1), [OPS])
        answer = post(process, first)
        assert (answer.status_code, answer.content) == (204, b"")
        assert states(store) == ["delivered"]
        assert open_outbox(store) == []
        assert "🔴 FIRING: Demo site is down" in vendor.requests[0].text

        # The same event again.
        assert post(process, first).status_code == 204
        assert len(vendor.requests) == 1

        # The vendor is down for a moment: the broker brings the event again.
        vendor.reply(Reply(503, body="rollup_error"))
        second = announce(store, notification(2, "resolved"), [OPS])
        assert post(process, second).status_code == 503
        assert open_outbox(store) == [second.id]
        assert post(process, second).status_code == 204
        assert "🟢 RESOLVED: Demo site is down" in vendor.requests[-1].text
        assert states(store) == ["delivered", "delivered"]
        assert len(vendor.requests) == 3

        # An event without deliveries.
        stranger = notification(9, id="event-nobody")
        assert post(process, Event({**first.attributes, "id": stranger.id}, first.body)).status_code == 204
        assert len(vendor.requests) == 3

        line = next(line for line in process.logs if line.get("state") == "delivered")
        assert line["channel"] == "ops"
        assert line["rule_id"] == "rule_1"
        assert line["alert_ids"] == ["alert_1"]
        assert line["message"].startswith('delivered "Demo site is down" FIRING to slack ops in ')


def test_a_process_killed_while_sending_leaves_unknown_which_is_repeated_once_and_marked(
    store: Store, vendor: Sink, tmp_path: Path
) -> None:
    held = threading.Event()
    vendor.reply(Reply(200, body="ok", hold=held))
    event = announce(store, notification(1), [OPS])
    with notify(store, tmp_path, vendor) as process, ThreadPoolExecutor() as pool:
        posted = pool.submit(post, process, event)
        vendor.wait_for(1)
        process.kill()
        with pytest.raises(httpx.TransportError):
            posted.result(10)
    held.set()
    assert states(store) == ["sending"]
    with notify(store, tmp_path, vendor) as process:
        assert post(process, event).status_code == 409  # the lease of the dead sender still runs
        make_due(store)
        assert post(process, event).status_code == 204
        assert states(store) == ["unknown"]
        assert len(vendor.requests) == 1
        make_due(store)
        assert post(process, event).status_code == 204
        assert states(store) == ["delivered"]
        assert "(may repeat)" in vendor.requests[1].text
        make_due(store)
        assert post(process, event).status_code == 204
        assert len(vendor.requests) == 2


def test_two_posts_at_once_make_one_message(store: Store, vendor: Sink, tmp_path: Path) -> None:
    held = threading.Event()
    vendor.reply(Reply(200, body="ok", hold=held))
    event = announce(store, notification(1), [OPS])
    with notify(store, tmp_path, vendor) as process, ThreadPoolExecutor() as pool:
        first = pool.submit(post, process, event)
        vendor.wait_for(1)
        assert post(process, event).status_code == 409
        held.set()
        assert first.result(20).status_code == 204
        assert post(process, event).status_code == 204
    assert len(vendor.requests) == 1


def test_a_secret_is_in_no_log_row_or_answer(store: Store, vendor: Sink, tmp_path: Path) -> None:
    echo = f"no_service at {vendor.url}{SECRET_PATH} for token pl4nt3dT0k3n"
    vendor.reply(
        Reply(500, body=echo), Reply(drop="unread"), Reply(404, body=echo), Reply(302, {"Location": echo})
    )
    event = announce(store, notification(1), [OPS])
    answers = []
    with notify(store, tmp_path, vendor, TOCSIN_LOG_LEVEL="DEBUG") as process:
        for _ in range(4):
            answers.append(post(process, event).text)
            make_due(store)
        output = process.stdout + process.stderr
    assert len(vendor.requests) >= 2
    for place in (output, compact(rows(store)), compact(answers)):
        assert "pl4nt3dT0k3n" not in place
        assert "T0PSECRET" not in place


def test_fired_and_resolved_while_the_vendor_was_down_is_told_once_as_was_firing(
    store: Store, vendor: Sink, tmp_path: Path
) -> None:
    vendor.reply(Reply(503))
    with notify(store, tmp_path, vendor) as process:
        assert post(process, announce(store, notification(1), [OPS])).status_code == 503
        second = announce(store, notification(2, "resolved"), [OPS])
        assert post(process, second).status_code == 204
    assert "was firing 20" in vendor.requests[1].text
    assert [row["state"] for row in rows(store)] == ["superseded", "delivered"]
    assert rows(store)[0]["superseded_by"] == rows(store)[1]["id"]
    assert open_outbox(store) == []


def test_what_is_never_told_here_is_told_on_the_fallback_channel(
    store: Store, vendor: Sink, tmp_path: Path
) -> None:
    vendor.reply(Reply(400, body="invalid_payload"), Reply(400, body="invalid_payload"), path=SECRET_PATH)
    event = announce(store, notification(1), [OPS])
    with notify(store, tmp_path, vendor) as process:
        assert post(process, event).status_code == 204
        assert [(row["channel"], row["state"]) for row in rows(store)] == [
            ("backup", "pending"),
            ("ops", "rejected"),
        ]
        assert open_outbox(store) == [event.id]
        assert post(process, event).status_code == 204
    assert [row["state"] for row in rows(store)] == ["delivered", "rejected"]
    assert vendor.requests[-1].path == "/services/backup"
    assert "could not be told on slack ops: Slack says invalid" in vendor.requests[-1].text
    assert open_outbox(store) == []


def test_an_event_that_nobody_can_read_is_recorded_and_acknowledged(
    store: Store, vendor: Sink, tmp_path: Path
) -> None:
    good = announce(store, notification(1), [OPS])
    foreign = notification(1, tenant="acme").model_dump_json().encode()
    with notify(store, tmp_path, vendor) as process:
        assert post(process, Event({**good.attributes, "id": "broken"}, b'{"id": 1}')).status_code == 204
        assert post(process, Event({**good.attributes, "id": "foreign"}, foreign)).status_code == 204
    kept = store.read(lambda tx: dead_letters.listing(tx))
    assert sorted((letter.event_id, letter.kind) for letter in kept) == [
        ("broken", "slack"),
        ("foreign", "slack"),
    ]
    assert vendor.requests == []


def test_an_event_that_is_not_signed_by_us_is_refused(store: Store, vendor: Sink, tmp_path: Path) -> None:
    keys = "one:MDEyMzQ1Njc4OWFiY2RlZg=="
    event = announce(store, notification(1), [OPS])
    with notify(store, tmp_path, vendor, TOCSIN_EVENT_KEYS=keys) as process:
        assert post(process, event).status_code == 422
        assert states(store) == ["pending"]
        assert post(process, sign(event, parse_keys(keys))).status_code == 204
    assert states(store) == ["delivered"]


def test_a_channel_that_appears_later_is_waited_for(store: Store, vendor: Sink, tmp_path: Path) -> None:
    event = announce(store, notification(1), [("slack", "new", "")])
    more = {"TOCSIN_SECRET_NEW_URL": f"{vendor.url}/services/new"}
    with notify(store, tmp_path, vendor, **more) as process:
        answer = post(process, event)
        assert answer.status_code == 503
        assert "channel 'new' not found; configured are: ops, backup" in answer.text
        channels_file(tmp_path, {"name": "new", "kind": "slack"})
        assert post(process, event).status_code == 204
    assert states(store) == ["delivered"]


def test_a_dead_channel_rests_until_its_secret_changes(store: Store, vendor: Sink, tmp_path: Path) -> None:
    vendor.reply(Reply(410, body="channel_is_archived"))
    event = announce(store, notification(1), [OPS])
    with notify(store, tmp_path, vendor) as process:
        assert post(process, event).status_code == 204
        make_due(store)
        assert post(process, event).status_code == 204
        assert [request.path for request in vendor.requests].count(SECRET_PATH) == 1
        waiting: dict[str, Any] = rows(store)[1]
        assert (waiting["state"], waiting["attempts"]) == ("pending", 0)
        assert "the channel is down: Slack says channel_is_archived" in waiting["reason"]
    with notify(store, tmp_path, vendor, TOCSIN_SECRET_OPS_URL=f"{vendor.url}/services/renewed") as process:
        make_due(store)
        assert post(process, event).status_code == 204
        wait_until(lambda: states(store) == ["delivered"] * 2, "the delivery, beside that of the fallback")
    assert vendor.requests[-1].path == "/services/renewed"
