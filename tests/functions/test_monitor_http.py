"""The HTTP monitor: what one look at a URL says, and the function that looks on every tick."""

import threading
import time
from collections.abc import Iterator

import pytest

from shared.errors import InvalidInput, Unavailable
from shared.metrics._line_protocol import Point as Read
from shared.metrics._line_protocol import parse
from shared.monitors import http, points
from tests.support.functions import post_tick, running_function
from tests.support.processes import free_port
from tests.support.sink import Reply, Request, Sink

NOW = 1_700_000_000_000


@pytest.fixture
def site() -> Iterator[Sink]:
    with Sink() as opened:
        yield opened


def check(url: str, timeout_seconds: float = 10) -> dict[str, object]:
    """The fields of one check."""
    (point,) = http.check([http.Target("site", url)], NOW, timeout_seconds)
    assert (point.measurement, point.tags, point.time) == ("website", {"name": "site", "url": url}, NOW)
    return dict(point.fields)


@pytest.mark.parametrize(("status", "is_up"), [(200, 1), (204, 1), (399, 1), (400, 0), (404, 0), (503, 0)])
def test_a_site_is_up_when_its_status_is_below_400(site: Sink, status: int, is_up: int) -> None:
    site.reply(Reply(status))
    fields = check(site.url)
    assert (fields["is_up"], fields["status_code"]) == (is_up, status)
    assert isinstance(fields["response_time"], float)


def test_the_response_time_is_in_milliseconds_until_the_headers(site: Sink) -> None:
    site.reply(Reply(200, delay=0.2))
    elapsed = check(site.url)["response_time"]
    assert isinstance(elapsed, float)
    assert 200 <= elapsed < 5_000


@pytest.mark.parametrize("trouble", ["refused", "dropped", "unknown host", "no TLS"])
def test_a_site_without_an_answer_is_down_and_has_no_response_time(site: Sink, trouble: str) -> None:
    site.default = Reply(drop="unanswered")
    urls = {
        "refused": f"http://127.0.0.1:{free_port()}",
        "dropped": site.url,
        "unknown host": "http://nobody.invalid",
        "no TLS": site.url.replace("http:", "https:"),
    }
    assert check(urls[trouble]) == {"is_up": 0, "status_code": 0}


def test_the_time_limit_holds_over_all_redirects_together(site: Sink) -> None:
    site.answer = lambda request: Reply(302, headers={"Location": "/next"}, delay=0.25)
    started = time.monotonic()
    assert check(site.url, timeout_seconds=0.4) == {"is_up": 0, "status_code": 0}
    assert time.monotonic() - started < 3


def test_three_redirects_are_followed_and_a_fourth_is_no_answer(site: Sink) -> None:
    def answer(request: Request) -> Reply:
        left = int(request.path.strip("/"))
        return Reply(302, headers={"Location": f"/{left - 1}"}) if left else Reply(200)

    site.answer = answer
    assert check(f"{site.url}/3")["status_code"] == 200
    assert check(f"{site.url}/4") == {"is_up": 0, "status_code": 0}


def test_a_body_that_never_ends_does_not_hold_the_check(site: Sink) -> None:
    site.reply(Reply(200, body=b"x" * 5_000_000, drop="halfway"))
    assert check(site.url)["is_up"] == 1


def test_all_urls_are_asked_side_by_side(site: Sink) -> None:
    together = threading.Barrier(5, timeout=10)  # breaks, and with it the replies, unless all five arrive

    def answer(request: Request) -> Reply:
        together.wait()
        return Reply(200)

    site.answer = answer
    targets = [http.Target(f"s{number}", f"{site.url}/{number}") for number in range(5)]
    assert [point.fields["is_up"] for point in http.check(targets, NOW)] == [1] * 5


def test_targets_are_names_and_urls() -> None:
    text = " shop=https://a.example/x?ids=1%2C2&q=a=b , api = http://b.example:8080 ,"
    assert http.parse_targets(text) == [
        http.Target("shop", "https://a.example/x?ids=1%2C2&q=a=b"),
        http.Target("api", "http://b.example:8080"),
    ]
    assert http.parse_targets("") == []


@pytest.mark.parametrize(
    "text",
    ["https://a.example", "shop=a.example", "=https://a", "shop=ftp://a", "shop=https://", "a=http://x,b"],
)
def test_a_target_that_is_none_names_the_setting_and_what_is_valid(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"TOCSIN_MONITOR_URLS: .*NAME=URL,NAME=URL"):
        http.parse_targets(text)


def test_two_targets_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInput, match="'shop' is not valid; each name may be given once"):
        http.parse_targets("shop=https://a,shop=https://b")


def test_points_are_sent_as_line_protocol_in_milliseconds(site: Sink) -> None:
    fields: dict[str, bool | int | float | str] = {"is_up": 1, "v": 2.5, "ok": True, "s": 'a"b'}
    sent = [points.Point("web site", {"name": "São, x", "none": ""}, fields, NOW)]
    site.reply(Reply(204), Reply(204), Reply(204))
    assert points.send(f"{site.url}/write?db=x", sent, "secret") == 1
    assert points.send(site.url, sent) == 1
    assert points.send(site.url, []) == 0
    first, second = site.requests
    assert (first.path, first.headers["authorization"]) == ("/write?db=x&precision=ms", "Token secret")
    assert (second.path, "authorization" in second.headers) == ("/write?precision=ms", False)
    assert parse(first.body, "ms", 0) == [Read("web site", {"name": "São, x"}, fields, NOW * 10**6)]


@pytest.mark.parametrize(
    "reply", [Reply(400, body='{"error":"no"}'), Reply(503), Reply(302), Reply(drop="unanswered")]
)
def test_points_that_are_not_accepted_are_unavailable(site: Sink, reply: Reply) -> None:
    site.reply(reply)
    with pytest.raises(Unavailable, match="TOCSIN_WRITE_URL") as failure:
        points.send(site.url.replace("//", "//me:s3cret@"), [points.Point("m", {}, {"v": 1}, NOW)])
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize("url", ["", "write", "ftp://host/write", "http://"])
def test_a_write_url_that_is_none_names_the_setting(url: str) -> None:
    with pytest.raises(InvalidInput, match="TOCSIN_WRITE_URL"):
        points.send(url, [points.Point("m", {}, {"v": 1}, NOW)])


def test_a_tick_checks_every_url_and_writes_a_point_for_each(site: Sink) -> None:
    site.reply(Reply(200), path="/ok")
    site.reply(Reply(500), path="/bad")
    site.reply(Reply(204), Reply(503), path="/write")
    env = {
        "TOCSIN_MONITOR_URLS": f"shop={site.url}/ok,api={site.url}/bad",
        "TOCSIN_WRITE_URL": f"{site.url}/write",
    }
    with running_function("monitor_http", env) as process:
        reply = post_tick(process.url, NOW)
        assert (reply.status_code, reply.content) == (204, b"")
        (written,) = [request for request in site.requests if request.path.startswith("/write")]
        assert (
            post_tick(process.url, NOW).status_code == 503
        )  # the write endpoint is down: the tick is repeated
    shop, api = sorted(parse(written.body, "ms", 0), key=lambda point: -int(point.fields["is_up"]))
    assert (shop.tags["name"], shop.fields["status_code"]) == ("shop", 200)
    assert (api.tags["name"], api.fields["is_up"], api.fields["status_code"]) == ("api", 0, 500)


def test_a_tick_without_urls_does_nothing() -> None:
    with running_function("monitor_http") as process:
        assert post_tick(process.url, NOW).status_code == 204
