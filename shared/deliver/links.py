"""Makes the acknowledge link of one message, at the last moment: it is in no event, no row and no log."""

from collections.abc import Mapping
from typing import Protocol

from shared import ack_links
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
    telling, settings = batch.telling, ports.settings
    if not telling.still_open:
        return ""
    until = telling.facts.slot + round(settings.link_hours * HOUR_MS)
    named = ack_links.Named(telling.facts.tenant, telling.still_open, until)
    return ack_links.url(settings.public_url, ports.link_keys, named)
