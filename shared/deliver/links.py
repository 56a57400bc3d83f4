"""Makes a message's links at the last moment: to acknowledge, and to its chart. They are in no event, row or log."""

from collections.abc import Mapping
from typing import Protocol

from pydantic import SecretStr

from shared import ack_links
from shared.channels._chart import to_draw
from shared.channels._message import Message
from shared.deliver.batches import Batch
from shared.settings import Settings

HOUR_MS = 3_600_000


class Ports(Protocol):
    """What a link is made of."""

    @property
    def settings(self) -> Settings: ...
    @property
    def link_keys(self) -> Mapping[str, bytes]: ...


def ack_url(batch: Batch, ports: Ports) -> str:
    """The same for every attempt; empty when nothing in the message still fires, or links are not set up.

    When several notifications are told in one message, it names the newest one that has alerts which still fire.
    """
    open_one = "" if batch.folded else batch.telling.still_open
    named = _named(batch, ports, open_one)
    return ack_links.url(ports.settings.public_url, ports.link_keys, named) if open_one else ""


def chart_url(batch: Batch, ports: Ports, zone: str) -> str:
    """The same for every attempt; empty when there is nothing to draw, or when it is not in the newest facts."""
    facts, drawn = batch.telling.facts, to_draw(batch.telling) if ports.settings.public_url else None
    if drawn is None or all(alert.points != drawn.alert.points for alert in facts.alerts):
        return ""
    return ack_links.chart_url(
        ports.settings.public_url, ports.link_keys, _named(batch, ports, facts.id), zone
    )


def hidden(message: Message) -> dict[str, SecretStr]:
    """What of its links is a secret: whoever has one may use it, so what a vendor says may not bring it into a row."""
    links = (("acknowledge link", message.ack_url), ("chart's link", message.chart_url))
    return {name: SecretStr(url.rpartition("/")[2].removesuffix(".png")) for name, url in links if url}


def _named(batch: Batch, ports: Ports, notification_id: str) -> ack_links.Named:
    facts = batch.telling.facts
    until = facts.slot + round(ports.settings.link_hours * HOUR_MS)
    return ack_links.Named(facts.tenant, notification_id, until)
