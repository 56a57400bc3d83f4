"""No secret gets out: every kind of channel meets every failure, with a vendor that repeats all that it was sent.

What is searched: everything that is logged, at the finest level and as JSON; every row of every table, events and dead
letters among them; every exception with its traceback.
"""

import base64
import io
import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from pythonjsonlogger.json import JsonFormatter
from sqlalchemy import delete, select

from shared import deliver
from shared.channels import kinds, load_kind
from shared.deliver.batches import plan
from shared.deliver.record import Recorder
from shared.deliver.send import Sending
from shared.errors import TocsinError
from shared.events import Event, sign
from shared.settings import Settings
from shared.store import claims
from shared.store.tables import channel_state, deliveries, metadata
from shared.wiring import Wiring
from tests.support.channels import SECRETS, SETTINGS
from tests.support.deliveries import announce, channels_file, empty_store, make_due, notification
from tests.support.processes import free_port
from tests.support.sink import Reply, Request, Sink

EVENT_KEY, LINK_KEY = b"event-key-pl4nt3d-32-bytes-long!", b"link-key-pl4nt3d-32-bytes-long!!"
every_kind = pytest.mark.parametrize("kind", kinds())
Fail = Callable[["Scene"], None]


class Scene:
    """One channel of one kind before a vendor, and all that could give something away."""

    def __init__(self, kind: str, folder: Path, database_url: str, vendor: Sink) -> None:
        self.kind, self.vendor, self.folder, self.database_url = kind, vendor, folder, database_url
        self.said = io.StringIO()
        self.count = 0
        self.secrets = dict(SECRETS[kind])
        self.wiring = self.opened(vendor.url)

    def opened(self, place: str, **other: str) -> Wiring:
        """A process whose vendor is at `place`; `other` secrets replace the good ones."""
        fields = load_kind(self.kind).Settings.model_fields
        settings: dict[str, Any] = dict(SETTINGS.get(self.kind, ({},))[0])
        settings |= {name: place for name in ("base_url", "server") if name in fields}
        self.secrets = {name: moved(text, place) for name, text in SECRETS[self.kind].items()} | other
        entry = {"name": "ops", "kind": self.kind, "settings": settings, "fallback": "backup"}
        path = channels_file(self.folder, entry, {"name": "backup", "kind": "slack"})
        environ = {f"TOCSIN_SECRET_OPS_{name.upper()}": text for name, text in self.secrets.items()}
        chosen = {
            "database_url": self.database_url,
            "channels_file": path,
            "allowed_hosts": "127.0.0.1",
            "event_keys": f"one:{base64.b64encode(EVENT_KEY).decode()}",
            "link_keys": f"one:{base64.b64encode(LINK_KEY).decode()}",
            "public_url": "https://tocsin.example.com",
        }
        return Wiring(Settings.model_validate(chosen), environ)

    def announced(self) -> Event:
        """A new notification, of a rule of its own, on a channel that has done nothing wrong yet."""
        self.count += 1
        made = notification(1, id=f"event-{self.count}", rule={"id": f"rule_{self.count}"})
        recipient = load_kind(self.kind).recipients(
            self.wiring.channels.settings(self.wiring.channels.get("ops"))
        )
        event = announce(self.wiring.store, made, [(self.kind, "ops", recipient[0])])
        self.wiring.store.write(lambda tx: tx.conn.execute(delete(channel_state)))
        return sign(event, self.wiring.keys)

    def deliver(self, wiring: Wiring | None = None) -> None:
        """Deliver it, and let the broker give up on what is refused, with the function's own words."""
        event = self.announced()
        used = wiring or self.wiring
        try:
            deliver.run(event, self.kind, used)
        except TocsinError as error:
            self.said.write("".join(traceback.format_exception(error)))
            words = base64.b64encode(str(error).encode()).decode()
            given_up = {**event.attributes, "knativeerrorcode": "503", "knativeerrordata": words}
            deliver.bury(Event(given_up, event.body), self.kind, used)

    def needles(self) -> set[str]:
        """All that must not be found: secrets, what they are made of, keys, and the links that were sent."""
        found = {"pl4nt3d", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
        found |= {text for text in self.secrets.values() if len(text) >= 8}
        for text in self.secrets.values():
            found |= {piece for piece in re.split(r"[:/?&=]", text) if len(piece) >= 20}
        for key in (EVENT_KEY, LINK_KEY):
            found |= {key.decode(), base64.b64encode(key).decode()}
        for request in self.vendor.requests:
            sent = unquote(request.body.decode("utf-8", "replace"))
            found |= set(re.findall(r"/a/([A-Za-z0-9_-]{40,})", sent))
            credentials = request.headers.get("authorization", "").partition(" ")[2]
            found |= {credentials} if credentials else set()
        return found

    def everything(self) -> str:
        """All that was written down anywhere."""
        rows = self.wiring.store.read(
            lambda tx: [
                dict(row._mapping)
                for table in metadata.sorted_tables
                for row in tx.conn.execute(select(table))
            ]
        )
        return self.said.getvalue() + json.dumps(
            rows, default=lambda value: bytes(value).decode("utf-8", "replace")
        )


def moved(text: str, place: str) -> str:
    """A secret that is a URL, at another host."""
    if not text.startswith("https://"):
        return text
    parts = urlsplit(text)
    return place + parts.path + (f"?{parts.query}" if parts.query else "")


@contextmanager
def listening(stream: io.StringIO) -> Iterator[None]:
    """Every record of every logger, as the functions write it."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


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


def leaks(scene: Scene) -> list[str]:
    """Where a secret was found: the words around it."""
    text = scene.everything()
    return [
        text[max(0, at.start() - 150) : at.end() + 20]
        for one in scene.needles()
        for at in re.finditer(re.escape(one), text)
    ]


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
