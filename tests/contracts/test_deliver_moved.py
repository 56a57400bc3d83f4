"""A Telegram group that became a supergroup: messages follow it, and the delivery says what to change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import deliver
from shared.settings import Settings
from shared.wiring import Wiring
from tests.support.channels import SECRETS
from tests.support.deliveries import announce, channels_file, empty_store, notification, rows
from tests.support.sink import Reply, Sink

OLD, NEW = "-100", "-1009876543210"
MOVED = (
    '{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat",'
    f'"parameters":{{"migrate_to_chat_id":{NEW}}}}}'
)
TAKEN = Reply(200, body='{"ok":true,"result":{"message_id":7}}')


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(TAKEN) as sink:
        yield sink


@pytest.fixture
def wiring(
    database_url: str, vendor: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    empty_store(database_url).close()
    settings = {"chat_ids": [OLD], "base_url": vendor.url}
    environ = {
        "TOCSIN_DATABASE_URL": database_url,
        "TOCSIN_CHANNELS_FILE": str(
            channels_file(tmp_path, {"name": "ops", "kind": "telegram", "settings": settings})
        ),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        "TOCSIN_SECRET_OPS_TOKEN": SECRETS["telegram"]["token"],
    }
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    made = Wiring(Settings(), environ)
    yield made
    made.close()


def told(wiring: Wiring) -> dict[str, object]:
    deliver.run(announce(wiring.store, notification(1), [("telegram", "ops", OLD)]), "telegram", wiring)
    (row,) = rows(wiring.store)
    return row


def chats(vendor: Sink) -> list[str]:
    return [str(request.json()["chat_id"]) for request in vendor.requests]


def test_a_message_follows_a_group_to_its_new_number_and_says_what_to_change(
    wiring: Wiring, vendor: Sink
) -> None:
    vendor.reply(Reply(400, body=MOVED))
    row = told(wiring)
    assert chats(vendor) == [OLD, NEW]
    assert (row["state"], row["provider_id"], row["recipient"]) == ("delivered", "7", OLD)
    assert row["reason"] == f"the group became a supergroup: put {NEW} into chat_ids in its place"


def test_what_the_new_number_refuses_is_sent_there_once_as_plain_text(wiring: Wiring, vendor: Sink) -> None:
    vendor.reply(
        Reply(400, body=MOVED), Reply(400, body='{"ok":false,"description":"can\'t parse entities"}')
    )
    row = told(wiring)
    assert chats(vendor) == [OLD, NEW, NEW]
    assert row["state"] == "delivered"


def test_a_group_that_moves_again_and_again_is_followed_once(wiring: Wiring, vendor: Sink) -> None:
    vendor.default = Reply(400, body=MOVED)
    row = told(wiring)
    assert chats(vendor) == [OLD, NEW]
    assert row["state"] == "rejected"


def test_a_bots_number_in_a_chats_number_hides_nothing_of_the_answer(wiring: Wiring, vendor: Sink) -> None:
    number = SECRETS["telegram"]["token"].partition(":")[0]
    new = f"-100{number}"
    vendor.reply(Reply(400, body=MOVED.replace(NEW, new)))
    row = told(wiring)
    assert chats(vendor) == [OLD, new]
    assert row["reason"] == f"the group became a supergroup: put {new} into chat_ids in its place"
