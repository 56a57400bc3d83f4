"""Discord, Teams and Telegram as real processes: what arrives, what is recorded, and no secret anywhere."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import pytest

from shared.store.engine import Store
from tests.support.deliveries import (
    announce,
    binary,
    channels_file,
    compact,
    empty_store,
    make_due,
    notification,
    rows,
)
from tests.support.functions import running_function
from tests.support.sink import Reply, Sink

PLANTED = "pl4nt3d-S3cret"


class Chat(NamedTuple):
    """How one vendor is set up and called. `{url}` is the vendor's address."""

    kind: str
    secret: tuple[str, str]
    path: str
    taken: Reply
    state: str
    provider_id: str
    settings: Mapping[str, Any] = MappingProxyType({})
    recipient: str = ""


CHATS = (
    Chat(
        "discord",
        ("URL", f"{{url}}/api/webhooks/12345678901234567/{PLANTED}"),
        f"/api/webhooks/12345678901234567/{PLANTED}?wait=true",
        Reply(200, body={"id": "99"}),
        "delivered",
        "99",
    ),
    Chat(
        "teams",
        ("URL", f"{{url}}/workflows/1/triggers/manual/paths/invoke?sp=%2Ftriggers&sig={PLANTED}"),
        f"/workflows/1/triggers/manual/paths/invoke?sp=%2Ftriggers&sig={PLANTED}",
        Reply(202),
        "accepted",
        "",
    ),
    Chat(
        "telegram",
        ("TOKEN", f"123456:{PLANTED}"),
        f"/bot123456:{PLANTED}/sendMessage",
        Reply(200, body={"ok": True, "result": {"message_id": 77}}),
        "delivered",
        "77",
        {"chat_ids": [-1001], "base_url": "{url}"},
        "-1001",
    ),
)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    opened = empty_store(sqlite_url)
    yield opened
    opened.close()


@pytest.mark.parametrize("chat", CHATS, ids=[chat.kind for chat in CHATS])
def test_a_message_arrives_once_through_every_failure_and_no_secret_is_left_anywhere(
    chat: Chat, store: Store, tmp_path: Path
) -> None:
    with Sink(chat.taken) as vendor:
        echo = f"no such thing as {chat.path} or {PLANTED}"
        vendor.reply(
            Reply(503, body=echo),
            Reply(429, {"Retry-After": "60"}, echo),
            Reply(404, body=echo),
            Reply(drop="unanswered"),
        )
        given = {name: value if name != "base_url" else vendor.url for name, value in chat.settings.items()}
        channels_file(tmp_path, {"name": "ops", "kind": chat.kind, "settings": given})
        environment = {
            "TOCSIN_DATABASE_URL": store.url,
            "TOCSIN_STATE_DIR": str(tmp_path),
            "TOCSIN_CHANNELS_FILE": str(tmp_path / "channels.yaml"),
            "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
            f"TOCSIN_SECRET_OPS_{chat.secret[0]}": chat.secret[1].replace("{url}", vendor.url),
            "TOCSIN_LOG_LEVEL": "DEBUG",
        }
        event = announce(store, notification(1), [(chat.kind, "ops", chat.recipient)])
        seen = []
        with running_function(f"notify_{chat.kind}", environment) as process:
            headers, body = binary(event)
            for _ in range(5):
                httpx.post(process.url, headers=headers, content=body, timeout=40, trust_env=False)
                seen.append(rows(store)[0])
                make_due(store)
                store.write(
                    lambda tx: tx.conn.exec_driver_sql(
                        "UPDATE channel_state SET next_send_at = 0, sender_until = 0"
                    )
                )
            assert PLANTED not in process.stdout + process.stderr
    assert [row["state"] for row in seen] == ["retry", "retry", "retry", "unknown", chat.state]
    assert seen[-1]["provider_id"] == chat.provider_id
    assert {(request.method, request.path) for request in vendor.requests} == {("POST", chat.path)}
    assert PLANTED not in compact(seen)
    assert "(may repeat)" in vendor.requests[-1].text
    assert "Demo site is down" in vendor.requests[-1].text
