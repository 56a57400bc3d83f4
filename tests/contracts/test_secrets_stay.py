"""No secret gets out: every kind of channel meets every failure, with a vendor that repeats all that it was sent."""

import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from shared import deliver
from shared.channels import kinds
from shared.deliver.batches import plan
from shared.deliver.record import Recorder
from shared.deliver.send import Sending
from shared.errors import TocsinError
from shared.events import Event, sign
from shared.store import claims
from shared.store.tables import deliveries
from tests.support.channels import SECRETS
from tests.support.deliveries import empty_store, make_due
from tests.support.processes import free_port
from tests.support.secrecy import Scene, leaks, listening
from tests.support.sink import Reply, Request, Sink

every_kind = pytest.mark.parametrize("kind", kinds())
Fail = Callable[[Scene], None]


def echo(status: int) -> Callable[[Request], Reply]:
    """A vendor that repeats the whole request: in its words, in fields that kinds read, and in its headers."""

    def answer(request: Request) -> Reply:
        seen = f"{request.path} {dict(request.headers)} {request.body.decode('utf-8', 'replace')}"
        line = " ".join(seen.split())[:3000].encode("ascii", "replace").decode()
        body = {
            "ok": False,
            **dict.fromkeys(("error", "message", "description", "id", "request", "dedup_key", "sid"), seen),
            "errors": [{"message": seen, "field": "personalizations"}, seen],
        }
        headers = {"Location": f"http://127.0.0.1{request.path}", "X-Message-Id": line, "X-Echo": line}
        return Reply(status, headers, body)

    return answer


STATUSES = (200, 202, 302, 307, 400, 401, 403, 404, 410, 413, 422, 429, 500, 503)


def answers(scene: Scene) -> None:
    for status in STATUSES:
        scene.vendor.answer = echo(status)
        scene.deliver()


def words(scene: Scene) -> None:
    """The same in plain text, which is kept as it is."""
    for status in (200, 400, 404, 500):
        scene.vendor.answer = lambda request, status=status: Reply(
            status, body=f"{request.path} {request.headers} {request.text}"
        )
        scene.deliver()


def silence(scene: Scene) -> None:
    scene.vendor.answer = None
    for drop in ("unread", "unanswered", "halfway"):
        scene.vendor.reply(Reply(500, body="half", drop=drop))
        scene.deliver()


def nobody_there(scene: Scene) -> None:
    for place in (f"http://127.0.0.1:{free_port()}", "http://gone.invalid"):
        wiring = scene.opened(place)
        scene.deliver(wiring)
        wiring.close()


def wrong_tls(scene: Scene) -> None:
    wiring = scene.opened(scene.vendor.url.replace("http://", "https://"))
    scene.deliver(wiring)
    wiring.close()


def wrong_secrets(scene: Scene) -> None:
    """Secrets that can't be used are complained about when the channels are read, and by every message."""
    for broken in (
        "pl4nt3d",
        "https://user:pl4nt3d@127.0.0.1/",
        "http://[pl4nt3d",
        "pl4nt3d\n\x00é",
        "ftp://pl4nt3d/x",
    ):
        wiring = scene.opened(scene.vendor.url, **dict.fromkeys(SECRETS[scene.kind], broken))
        scene.deliver(wiring)
        wiring.close()


def forged_and_unreadable(scene: Scene) -> None:
    event = scene.announced()
    for attributes, body in (
        ({**event.attributes, "tocsinsig": "v1,one,AAAA"}, event.body),
        ({**event.attributes, "id": "broken"}, b"{}"),
    ):
        given = Event(attributes, body)
        try:
            deliver.run(given if body != b"{}" else sign(given, scene.wiring.keys), scene.kind, scene.wiring)
        except (TocsinError, ValueError) as error:
            scene.said.write("".join(traceback.format_exception(error)))


FAILURES: tuple[Fail, ...] = (
    answers,
    words,
    silence,
    nobody_there,
    wrong_tls,
    wrong_secrets,
    forged_and_unreadable,
)


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink(Reply(200)) as sink:
        yield sink


@every_kind
@pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__)
def test_no_failure_of_any_channel_gives_a_secret_away(
    kind: str, fail: Fail, tmp_path: Path, sqlite_url: str, vendor: Sink
) -> None:
    empty_store(sqlite_url).close()
    scene = Scene(kind, tmp_path, sqlite_url, vendor)
    with listening(scene.said):
        fail(scene)
        make_due(scene.wiring.store)
        deliver.expire(scene.wiring.store, scene.wiring.channels)

    assert leaks(scene) == []
    assert scene.count > 0
    assert "tocsin" in scene.said.getvalue()
    scene.wiring.close()


def test_the_search_would_find_what_it_looks_for(tmp_path: Path, sqlite_url: str, vendor: Sink) -> None:
    empty_store(sqlite_url).close()
    scene = Scene("slack", tmp_path, sqlite_url, vendor)
    with listening(scene.said):
        vendor.answer = echo(400)
        scene.deliver()
        (token,) = (one for one in scene.needles() if re.fullmatch(r"A[A-Za-z0-9_-]{40,}", one))
        logging.getLogger("x").debug("a link: %s", token)
        assert len(leaks(scene)) == 1
        kept = deliveries.update().values(excerpt="/services/T0/B0/pl4nt3d")
        scene.wiring.store.write(lambda tx: tx.conn.execute(kept))
        assert len(leaks(scene)) > 1
    scene.wiring.close()


def test_a_vendor_that_takes_too_long_gives_no_secret_away(
    tmp_path: Path, sqlite_url: str, vendor: Sink
) -> None:
    empty_store(sqlite_url).close()
    scene = Scene("telegram", tmp_path, sqlite_url, vendor)
    vendor.default = Reply(200, delay=30)
    event = scene.announced()
    with listening(scene.said):
        claimed = scene.wiring.store.write(lambda tx: claims.claim(tx, "telegram", event.id, "me", 25_000))
        (batch,) = plan(claimed, {}).batches
        recorder = Recorder(scene.wiring.store, scene.wiring.channels, "me", time.monotonic() + 4.3)
        Sending(scene.wiring, "telegram", recorder).deliver(batch)

    states = scene.wiring.store.read(lambda tx: list(tx.conn.execute(select(deliveries.c.state)).scalars()))
    assert states == ["unknown"]
    assert leaks(scene) == []
    scene.wiring.close()
