"""Earlier messages say that their alerts are over, where the vendor can edit; nothing else ever depends on it."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from shared import deliver
from shared.model import AlertFacts
from shared.settings import Settings
from shared.store import alerts
from shared.store.engine import Store
from shared.wiring import Wiring
from tests.support.deliveries import (
    FIRED,
    SLOT,
    alert,
    announce,
    channels_file,
    empty_store,
    notification,
    rows,
)
from tests.support.sink import Reply, Request, Sink

OPS = ("discord", "ops", "")
PATH = "/api/webhooks/1234567890123456789/pl4nt3d-t0ken"
FIRST = 9000


@pytest.fixture
def vendor() -> Iterator[Sink]:
    """Discord: every message gets a number from 9000 on."""
    numbers = itertools.count(FIRST)

    def answer(request: Request) -> Reply:
        edited = request.path.partition("/messages/")[2].partition("?")[0]
        return Reply(200, body={"id": edited or str(next(numbers))})

    with Sink(answer=answer) as sink:
        yield sink


@pytest.fixture
def wiring(
    database_url: str, vendor: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    empty_store(database_url).close()
    environ = {
        "TOCSIN_DATABASE_URL": database_url,
        "TOCSIN_CHANNELS_FILE": str(channels_file(tmp_path, {"name": "ops", "kind": "discord"})),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        "TOCSIN_SECRET_OPS_URL": vendor.url + PATH,
    }
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    made = Wiring(Settings(), environ)
    yield made
    made.close()


def fire(store: Store, *ids: str) -> None:
    """The alerts' own rows, as the evaluator makes them."""
    made = [
        alerts.NewAlert(one, "rule_1", one, "[]", "mon_1", "t", 4, 0.0, "", FIRED, FIRED, "breach")
        for one in ids
    ]
    store.write(lambda tx: alerts.open_alerts(tx, made, FIRED))


def end(store: Store, *ids: str) -> None:
    store.write(lambda tx: alerts.resolve(tx, [alerts.Ending(one, SLOT, "recovered") for one in ids], SLOT))


def tell(wiring: Wiring, seq: int, event: str, told: Sequence[AlertFacts]) -> None:
    deliver.run(announce(wiring.store, notification(seq, event, told), [OPS]), "discord", wiring)


def edits(vendor: Sink) -> list[Request]:
    return [request for request in vendor.requests if request.method == "PATCH"]


def test_the_firing_message_is_edited_once_its_last_alert_is_over(wiring: Wiring, vendor: Sink) -> None:
    fire(wiring.store, "alert_1", "alert_2")
    tell(wiring, 1, "firing", [alert(1), alert(2)])
    end(wiring.store, "alert_1")
    tell(wiring, 2, "resolved", [alert(1, "resolved")])
    assert edits(vendor) == []
    end(wiring.store, "alert_2")

    tell(wiring, 3, "resolved", [alert(2, "resolved")])

    assert [request.method for request in vendor.requests] == ["POST", "POST", "POST", "PATCH"]
    (edit,) = edits(vendor)
    assert edit.path == f"{PATH}/messages/{FIRST}?wait=true"
    assert edit.json()["allowed_mentions"] == {"parse": []}
    (embed,) = edit.json()["embeds"]
    assert embed["title"] == "🟢 RESOLVED: Demo site is down"
    assert "2 alerts resolved" in embed["description"]
    assert "lasted 10 min" in embed["description"]
    assert [row["state"] for row in rows(wiring.store)] == ["delivered"] * 3


def test_each_message_of_an_alert_that_got_worse_is_edited(wiring: Wiring, vendor: Sink) -> None:
    fire(wiring.store, "alert_1")
    tell(wiring, 1, "firing", [alert(1, severity="warning")])
    tell(wiring, 2, "worsened", [alert(1, "worsened")])
    end(wiring.store, "alert_1")

    tell(wiring, 3, "resolved", [alert(1, "resolved")])

    assert sorted(request.path for request in edits(vendor)) == [
        f"{PATH}/messages/{FIRST}?wait=true",
        f"{PATH}/messages/{FIRST + 1}?wait=true",
    ]


def test_one_message_for_several_firings_is_edited_when_the_last_of_them_is_over(
    wiring: Wiring, vendor: Sink
) -> None:
    fire(wiring.store, "alert_1", "alert_2")
    announce(wiring.store, notification(1, alerts=[alert(1)]), [OPS])
    tell(wiring, 2, "firing", [alert(2)])
    assert len(vendor.requests) == 1
    end(wiring.store, "alert_1")
    tell(wiring, 3, "resolved", [alert(1, "resolved")])
    assert edits(vendor) == []
    end(wiring.store, "alert_2")

    tell(wiring, 4, "resolved", [alert(2, "resolved")])

    (edit,) = edits(vendor)
    assert "2 alerts resolved" in edit.json()["embeds"][0]["description"]


def test_a_message_that_tells_firing_and_end_at_once_is_not_edited(wiring: Wiring, vendor: Sink) -> None:
    fire(wiring.store, "alert_1")
    announce(wiring.store, notification(1), [OPS])
    end(wiring.store, "alert_1")

    tell(wiring, 2, "resolved", [alert(1, "resolved")])

    assert [request.method for request in vendor.requests] == ["POST"]


def test_an_alert_that_is_not_known_to_be_over_keeps_its_message(wiring: Wiring, vendor: Sink) -> None:
    tell(wiring, 1, "firing", [alert(1)])

    tell(wiring, 2, "resolved", [alert(1, "resolved")])

    assert edits(vendor) == []


@pytest.mark.parametrize(
    "refusal",
    [
        Reply(404, body={"code": 10008, "message": "Unknown Message"}),
        Reply(400, body={"code": 30046, "message": "Maximum number of edits reached"}),
        Reply(503),
        Reply(drop="unanswered"),
    ],
    ids=["gone", "too many edits", "down", "no answer"],
)
def test_an_edit_that_is_refused_changes_nothing_but_a_log_line(
    refusal: Reply, wiring: Wiring, vendor: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    fire(wiring.store, "alert_1")
    tell(wiring, 1, "firing", [alert(1)])
    end(wiring.store, "alert_1")
    vendor.reply(refusal, path=f"{PATH}/messages/{FIRST}")

    with caplog.at_level(logging.WARNING):
        tell(wiring, 2, "resolved", [alert(1, "resolved")])
        tell(wiring, 3, "firing", [alert(3)])

    assert [row["state"] for row in rows(wiring.store)] == ["delivered"] * 3
    assert "an earlier message on ops stays as it is" in caplog.text
    assert "pl4nt3d" not in caplog.text
