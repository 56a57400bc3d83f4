"""Dead letters, published again by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import deliver, manage
from shared.errors import Conflict, InvalidInput, NotFound
from shared.wiring import Wiring
from tests.support import by_hand
from tests.support.by_hand import actions
from tests.support.deliveries import announce, change, make_due, notification
from tests.support.sink import Reply, Sink

OPS = ("slack", "ops", "")
NOW = 1_790_000_100_000


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(Reply(200, body="ok")) as sink:
        yield sink


@pytest.fixture
def broker() -> Iterator[Sink]:
    with Sink(Reply(202)) as sink:
        yield sink


@pytest.fixture
def wiring(
    database_url: str, vendor: Sink, broker: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    yield from by_hand.process(database_url, vendor, broker, tmp_path, monkeypatch)


def test_a_dead_letter_is_published_again_with_the_same_id_while_a_delivery_waits(
    wiring: Wiring, broker: Sink, vendor: Sink
) -> None:
    event = announce(wiring.store, notification(1), [OPS, ("webhook", "idle", "")])
    deliver.bury(event, "slack", wiring, "it was down")
    change(wiring.store, next_at=2**50)

    (item,) = manage.list_dead_letters(wiring)
    assert (item.event_id, item.kind, item.type, item.error, item.open) == (
        event.id,
        "slack",
        "firing",
        "it was down",
        True,
    )
    replayed = manage.replay_dead_letter(wiring, event.id[:12], actor="cli:ann", now=NOW)

    (sent,) = broker.requests
    assert sent.headers["ce-id"] == event.id
    assert {name for name in sent.headers if name.startswith("ce-to") and sent.headers[name] == "true"} == {
        "ce-toslack"
    }
    assert sent.body == event.body
    assert len(vendor.requests) == 1
    assert replayed.replayed_at
    assert replayed.open is False
    assert manage.list_dead_letters(wiring) == []
    assert len(manage.list_dead_letters(wiring, everything=True)) == 1
    with pytest.raises(Conflict, match="no delivery by slack waits"):
        manage.replay_dead_letter(wiring, event.id, actor="a", now=NOW)
    assert actions(wiring) == ["dead_letter.replay"]


def test_a_dead_letter_of_several_kinds_is_named_with_its_kind(wiring: Wiring) -> None:
    event = announce(wiring.store, notification(1), [OPS])
    for kind in ("slack", "webhook"):
        deliver.bury(event, kind, wiring, "x")
    make_due(wiring.store)

    with pytest.raises(InvalidInput, match="Name event and kind"):
        manage.get_dead_letter(wiring, event.id)
    detail = manage.get_dead_letter(wiring, event.id, "webhook")
    assert detail.attributes["id"] == event.id
    assert detail.data == event.body.decode()
    with pytest.raises(NotFound):
        manage.get_dead_letter(wiring, "nothing")
