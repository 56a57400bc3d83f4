"""Channels: where people can be told. They are declared in a file, so they can be listed and not changed here."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.channels import ChannelBook
from shared.errors import InvalidInput
from shared.manage import checks
from shared.manage.ports import Ports
from shared.model import Channel, Millis
from shared.store import listing


@dataclass(frozen=True, slots=True)
class ChannelItem:
    """A channel and how it does: `health` is ok or unhealthy, with the reason and since when."""

    channel: Channel
    health: str = "ok"
    reason: str = ""
    since: Millis = 0


def list_channels(ports: Ports) -> list[ChannelItem]:
    """All configured channels of this tenant."""
    known = ports.channels.channels
    health = ports.store.read(listing.channel_health)
    return [ChannelItem(channel, *health.get(channel.name, ("ok", "", 0))) for channel in known]


def checked_names(book: ChannelBook, names: Sequence[str] | None) -> tuple[str, ...] | None:
    """The channels of a rule, each once; InvalidInput for one that is not configured."""
    if names is None:
        return None
    for name in book.unknown(names):
        known = [channel.name for channel in book.channels]
        listed = f"configured are {', '.join(known)}" if known else "no channel is configured"
        raise InvalidInput(
            "channels", name, listed, checks.meant(name, known) or "TOCSIN_CHANNELS_FILE declares them"
        )
    return tuple(dict.fromkeys(names))


def warning(book: ChannelBook, names: Sequence[str] | None) -> str:
    """What to say when a rule would tell nobody; else empty."""
    if names is not None:
        return "" if names else "it has no channels, so nobody will be told"
    return "" if book.for_rule(None) else "there is no default channel, so nobody will be told"
