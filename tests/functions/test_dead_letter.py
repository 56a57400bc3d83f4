"""The dead letter function as a real process: it records, counts, and always acknowledges."""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.store import dead_letters
from shared.store.engine import Store
from tests.support.deliveries import announce, binary, change, empty_store, notification
from tests.support.functions import running_function


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = empty_store(database_url)
    yield opened
    opened.close()


def test_a_dead_letter_is_recorded_by_kind_counted_and_open_while_its_delivery_is(
    store: Store, tmp_path: Path
) -> None:
    event = announce(store, notification(1), [("slack", "ops", "")])
    headers, body = binary(event)
    broker = {
        "ce-knativeerrordest": "http://notify-slack.tocsin.svc.cluster.local/",
        "ce-knativeerrorcode": "503",
        "ce-knativeerrordata": base64.b64encode(b"the vendor is down").decode(),
        "ce-knativearrivaltime": "2026-01-01T00:00:00Z",
    }
    env = {"TOCSIN_DATABASE_URL": store.url, "TOCSIN_STATE_DIR": str(tmp_path)}
    with running_function("dead_letter", env) as process:

        def post(path: str, more: dict[str, str]) -> httpx.Response:
            return httpx.post(
                process.url + path, headers={**headers, **more}, content=body, timeout=20, trust_env=False
            )

        answer = post("/kind/slack", broker)
        assert (answer.status_code, answer.content) == (204, b"")
        assert post("/kind/slack", broker).status_code == 204
        assert post("/kind/email", {}).status_code == 204
        assert post("/", {}).status_code == 204
        assert post("/kind/;DROP", {}).status_code == 204
    kept = {letter.kind: letter for letter in store.read(lambda tx: dead_letters.listing(tx))}
    assert set(kept) == {"slack", "email", ""}
    slack = kept["slack"]
    assert (slack.error_code, slack.error_data, slack.received) == (503, "the vendor is down", 2)
    assert slack.body == event.body
    assert dict(slack.attributes) == dict(event.attributes)
    assert kept["email"].error_code is None
    assert kept[""].received == 2
    assert [letter.kind for letter in store.read(lambda tx: dead_letters.listing(tx, only_open=True))] == [
        "slack"
    ]
    change(store, state="delivered", next_at=None)
    assert store.read(lambda tx: dead_letters.listing(tx, only_open=True)) == []
