"""Programs get every alert: those that the event had no room for come from the database, page by page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import ack_links, deliver
from shared.channels.webhook import MAX_BYTES
from shared.compose import MAX_ALERTS
from shared.errors import Unavailable
from shared.events import notification_event
from shared.settings import Settings
from shared.store import alerts, deliveries, outbox
from shared.store.alerts import NewAlert
from shared.store.engine import Store
from shared.wiring import Wiring
from tests.support.deliveries import SLOT, alert, channels_file, empty_store, notification, rows
from tests.support.sink import Reply, Sink

MANY = 350


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(Reply(204)) as sink:
        yield sink


@pytest.fixture
def wiring(
    database_url: str, vendor: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    empty_store(database_url).close()
    environ = {
        "TOCSIN_DATABASE_URL": database_url,
        "TOCSIN_CHANNELS_FILE": str(channels_file(tmp_path, {"name": "bot", "kind": "webhook"})),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        "TOCSIN_SECRET_BOT_URL": f"{vendor.url}/hook",
        "TOCSIN_SECRET_BOT_SIGNING_KEY": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "TOCSIN_PUBLIC_URL": "https://tocsin.example.com",
        "TOCSIN_LINK_KEYS": "one:MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    made = Wiring(Settings(), environ)
    yield made
    made.close()


def test_every_alert_of_a_large_notification_reaches_a_program_on_pages_with_ids_of_their_own(
    wiring: Wiring, vendor: Sink
) -> None:
    store: Store = wiring.store
    every = [alert(number) for number in range(MANY)]
    made = notification(1, alerts=every[:MAX_ALERTS], alert_count=MANY)
    event = notification_event(made, at=made.slot)
    new = [
        NewAlert(
            *(one.id, "rule_1", f"s{number}", f'["mon_1",[["host","h{number}"]]]', "mon_1", "Demo"),
            *(4, 97.0, "", SLOT, SLOT, "breach"),
        )
        for number, one in enumerate(every)
    ]
    store.write(lambda tx: alerts.open_alerts(tx, new, SLOT))
    store.write(lambda tx: outbox.add(tx, [(made, every, event)]))
    store.write(lambda tx: deliveries.insert_many(tx, deliveries.new(made, [("webhook", "bot", "")])))
    vendor.reply(Reply(204), Reply(503))

    with pytest.raises(Unavailable):
        deliver.run(event, "webhook", wiring)
    deliver.run(event, "webhook", wiring)

    pages: dict[str, dict[str, object]] = {}
    for request in vendor.requests:
        assert len(request.body) <= MAX_BYTES
        data = request.json()["data"]
        assert pages.setdefault(request.headers["webhook-id"], data) == data
    told = [one["id"] for data in pages.values() for one in data["alerts"]]  # type: ignore[attr-defined]
    assert sorted(told) == sorted(one.id for one in every)
    assert {data["pages"] for data in pages.values()} == {len(pages)}
    assert {data["more"] for data in pages.values()} == {0}
    assert len(pages) > 1
    (link,) = {str(data["acknowledge_url"]) for data in pages.values()}
    assert ack_links.read(link.rpartition("/")[2], wiring.link_keys, SLOT).notification_id == made.id
    assert [row["state"] for row in rows(store)] == ["delivered"]
