"""One channel before a vendor who repeats everything, and a search for secrets in all that was written down.

What is searched: everything that is logged, at the finest level and as JSON; every row of every table, events and dead
letters among them; every exception with its traceback.
"""

import base64
import io
import json
import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pythonjsonlogger.json import JsonFormatter
from sqlalchemy import delete, select

from shared import deliver
from shared.channels import load_kind
from shared.errors import TocsinError
from shared.events import Event, sign
from shared.settings import Settings
from shared.store.tables import channel_state, metadata
from shared.wiring import Wiring
from tests.support.channels import SECRETS, SETTINGS
from tests.support.deliveries import announce, channels_file, notification
from tests.support.sink import Sink

EVENT_KEY, LINK_KEY = b"event-key-pl4nt3d-32-bytes-long!", b"link-key-pl4nt3d-32-bytes-long!!"


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


def leaks(scene: Scene) -> list[str]:
    """Where a secret was found: the words around it."""
    text = scene.everything()
    return [
        text[max(0, at.start() - 150) : at.end() + 20]
        for one in scene.needles()
        for at in re.finditer(re.escape(one), text)
    ]
