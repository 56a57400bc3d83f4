"""The ack function as a real process: what people, scanners and attackers get from an acknowledge link."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared import ack_links
from shared.ack_links import Named
from shared.events import event_id
from shared.model import AlertFacts
from shared.store import listing, states
from shared.store.engine import Store
from shared.store.listing import AlertRow
from shared.store.states import RuleCounter
from tests.support.deliveries import alert, announce, empty_store, notification, rows
from tests.support.functions import FunctionProcess, running_function
from tests.support.rows import add_alert
from tests.support.sink import Reply, Sink
from tests.support.waiting import wait_until

EVENT_KEY = b"event-key-of-the-test-32-bytes!!"
KEYS = ack_links.keys({}, {"one": EVENT_KEY})
ABOUT = event_id("default", "rule_btc", 1)
LATER = int(time.time() * 1000) + 3_600_000
HOSTILE = "<script>alert(1)</script>\u202e"
pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = empty_store(database_url)
    for number in (1, 2):
        key = f'["mon_btc",[["host","h{number}{HOSTILE if number == 2 else ""}"]]]'
        add_alert(opened, f"alert_{number}", key=key, title="Disk is full")
    facts: list[AlertFacts] = [alert(1), alert(2)]
    made = notification(1, alerts=facts, id=ABOUT, rule={"id": "rule_btc", "title": f"Disk {HOSTILE}"})
    opened.write(lambda tx: states.set_counters(tx, {"rule_btc": RuleCounter(1, 0)}))
    announce(opened, made, [("slack", "ops", ""), ("email", "mail", "ann@team.example")])
    yield opened
    opened.close()


@pytest.fixture
def broker() -> Iterator[Sink]:
    with Sink(Reply(202)) as sink:
        yield sink


@pytest.fixture
def page(store: Store, broker: Sink, tmp_path: Path) -> Iterator[FunctionProcess]:
    env = {
        "TOCSIN_DATABASE_URL": store.url,
        "TOCSIN_STATE_DIR": str(tmp_path),
        "TOCSIN_EVENT_KEYS": f"one:{base64.b64encode(EVENT_KEY).decode()}",
        "TOCSIN_LOG_LEVEL": "DEBUG",
        "K_SINK": broker.url,
    }
    with running_function("ack", env) as process:
        yield process


def link(until: int = LATER, tenant: str = "default", about: str = ABOUT) -> str:
    return ack_links.url("http://x", KEYS, Named(tenant, about, until)).removeprefix("http://x")


def ask(page: FunctionProcess, path: str, method: str = "GET", **given: object) -> httpx.Response:
    return httpx.request(method, page.url + path, timeout=20, trust_env=False, **given)  # type: ignore[arg-type]  # as given


def kept(store: Store) -> list[AlertRow]:
    return store.read(lambda tx: listing.alerts_of(tx, ABOUT))


def test_looking_changes_nothing_and_the_form_acknowledges_everything_once(
    page: FunctionProcess, store: Store, broker: Sink
) -> None:
    assert [ask(page, link(), method).status_code for method in ("GET", "HEAD")] == [200, 200]
    shown = ask(page, link())
    assert "Acknowledge all 2" in shown.text
    assert "2 alerts fire" in shown.text
    assert [one.acked_at for one in kept(store)] == [None, None]
    assert broker.requests == []

    form = {"by": "Ann <b>", "note": "on it\r\nsince ten"}
    sent = ask(page, link(), "POST", data=form)
    assert sent.status_code == 303, sent.text
    assert sent.headers["location"] == link().removeprefix("/a/")
    after = ask(page, link())
    assert "<form" not in after.text
    assert "Acknowledged by Ann &lt;b&gt;" in after.text
    assert "Everything that fires is acknowledged." in after.text
    assert [(one.acked_by, one.ack_note) for one in kept(store)] == [("Ann <b>", "on it\nsince ten")] * 2

    assert ask(page, link(), "POST", data={"by": "Bob"}).status_code == 303
    assert {one.acked_by for one in kept(store)} == {"Ann <b>"}
    assert [row["channel"] for row in rows(store) if row["event"] == "acknowledged"] == ["ops"]
    (event,) = broker.requests
    assert event.headers["ce-type"] == "dev.tocsin.alert.acknowledged"
    assert event.headers["ce-tocsinsig"].startswith("v1,one,")


def test_a_charts_link_shows_its_picture_and_acknowledges_nothing(
    page: FunctionProcess, store: Store
) -> None:
    points = tuple((LATER - 7_200_000 + n * 30_000, float(n)) for n in range(60))
    condition = {"type": "threshold", "field": "usage", "operator": ">", "value": 40}
    facts = [alert(1).model_copy(update={"points": points})]
    made = notification(2, alerts=facts, id="drawn", rule={"id": "rule_btc", "condition": condition})
    announce(store, made, [("slack", "ops", "")])

    def chart(about: str, zone: str = "Europe/Berlin", until: int = LATER) -> str:
        named = Named("default", about, until)
        return ack_links.chart_url("http://x", KEYS, named, zone).removeprefix("http://x")

    shown = ask(page, chart("drawn"))
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
    assert shown.content.startswith(b"\x89PNG")
    in_utc = ask(page, chart("drawn", "UTC")).content
    assert in_utc != shown.content
    for nowhere in ("No/Where", "Etc", "Etc/", "/etc/passwd"):
        assert ask(page, chart("drawn", nowhere)).content == in_utc
    as_ack = "/a/" + chart("drawn").rpartition("/")[2].removesuffix(".png")
    as_chart = "/c/UTC/" + link().removeprefix("/a/") + ".png"
    for path, method, status in (
        (chart(ABOUT), "GET", 404),
        (chart("gone"), "GET", 404),
        (chart("drawn", until=1_000), "GET", 410),
        (chart("drawn"), "POST", 404),
        (as_ack, "POST", 403),
        (as_chart, "GET", 403),
    ):
        assert ask(page, path, method).status_code == status, (path, method)
    assert [one.acked_at for one in kept(store)] == [None, None]


def test_an_empty_form_is_enough(page: FunctionProcess, store: Store) -> None:
    assert ask(page, link(), "POST").status_code == 303
    assert {one.acked_by for one in kept(store)} == {"someone with the link"}


def test_what_is_no_good_link_gets_a_clear_page_and_does_nothing(page: FunctionProcess, store: Store) -> None:
    good = link()
    for path, status, words in (
        ("/", 404, "There is nothing here"),
        ("/a/", 404, "There is nothing here"),
        ("/a/../etc/passwd", 404, "There is nothing here"),
        (good[:-1] + ("A" if good[-1] != "A" else "B"), 403, "not valid"),
        ("/a/" + "A" * 60, 403, "not valid"),
        (link(until=LATER - 7_200_000), 410, "too old"),
        (link(tenant="acme"), 403, "another Tocsin"),
        (link(about=event_id("default", "rule_x", 1)), 404, "too long ago"),
    ):
        for method in ("GET", "POST"):
            answer = ask(page, path, method)
            assert (answer.status_code, words in answer.text) == (status, True), path
            assert answer.headers["cache-control"] == "no-store"
    for method in ("PUT", "DELETE", "PATCH"):
        assert ask(page, good, method).status_code == 405
    assert ask(page, good, "POST", data={"note": "x" * 20_000}).status_code == 413
    assert ask(page, good, "POST", content=iter([b"note=" + b"x" * 20_000])).status_code == 413
    assert ask(page, good, "POST", data={"note": "x" * 1001}).status_code == 400
    assert [one.acked_at for one in kept(store)] == [None, None]


def test_nothing_hostile_is_live_and_the_page_is_shut_tight(page: FunctionProcess) -> None:
    shown = ask(page, link())

    assert "<script" not in shown.text
    assert "&lt;script&gt;" in shown.text
    assert "\u202e" not in shown.text
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in shown.headers
    assert "http://" not in shown.text
    assert "https://" not in shown.text


def test_the_link_is_in_no_log_and_in_no_row(page: FunctionProcess, store: Store) -> None:
    for method in ("GET", "POST", "PUT"):
        ask(page, link(), method)
    token = link().removeprefix("/a/")
    ask(page, f"/a/{token[:-2]}AA")

    page.stop()
    wait_until(lambda: not page.running, "the end of the function")
    assert token[:30] not in page.stdout + page.stderr
    assert EVENT_KEY.decode() not in page.stdout + page.stderr
    assert token not in repr(rows(store))


def test_a_link_that_is_opened_all_the_time_has_to_wait(
    store: Store, tmp_path: Path, redis_url: str, broker: Sink
) -> None:
    env = {
        "TOCSIN_DATABASE_URL": store.url,
        "TOCSIN_STATE_DIR": str(tmp_path),
        "TOCSIN_REDIS_URL": redis_url,
        "TOCSIN_LINK_KEYS": f"one:{base64.b64encode(KEYS['one']).decode()}",
    }
    with running_function("ack", env) as process:
        answers = [ask(process, link()) for _ in range(61)]
    assert {answer.status_code for answer in answers[:60]} == {200}
    assert answers[60].status_code == 429
    assert 0 < int(answers[60].headers["retry-after"]) <= 60
