"""Channels: where people can be told. They are declared in a file, so they can be listed and tried out, no more."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from shared.channels import ChannelBook
from shared.errors import InvalidInput, Unavailable
from shared.events import event_id
from shared.manage import checks, telling
from shared.manage.letters import no_broker
from shared.manage.ports import Ports
from shared.model import Channel, ChannelRef, EventKind, Millis, Notification, RuleFacts, Severity
from shared.store import audit, dead_letters, listing, standings
from shared.store.engine import Tx
from shared.store.listing import DeliveryRow

_TEST = "Somebody tries out this channel. Nothing is wrong, and there is nothing to do."


@dataclass(frozen=True, slots=True)
class ChannelItem:
    """A channel and how it does: `health` is ok or unhealthy, with the reason and since when."""

    channel: Channel
    health: str = "ok"
    reason: str = ""
    since: Millis = 0


@dataclass(frozen=True, slots=True)
class SentTest:
    """A test message on its way. `result`: its deliveries, one for each recipient; `given_up`: what the broker says."""

    notification_id: str
    result: tuple[DeliveryRow, ...]
    given_up: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return bool(self.given_up) or all(row.next_at is None for row in self.result)

    @property
    def good(self) -> bool:
        """Whether every recipient's vendor took it."""
        return all(row.state in ("delivered", "accepted") for row in self.result)


def send_test(ports: Ports, name: str, *, actor: str, now: Millis) -> SentTest:
    """Send a message that is marked as a test, on the way that every message takes: outbox, broker, notify function.

    It is sent once, whatever comes of it; on a channel that is down it is the probe. `delivery_result` says what came
    of it. Raises NotFound for an unknown channel, Unavailable when the broker doesn't take it, or none is known.
    """
    channel = ports.channels.get(name)
    if not ports.broker.sink:
        raise no_broker("a test message")
    rule_id = f"test_{secrets.token_hex(8)}"
    made = Notification(
        id=event_id(channel.tenant, rule_id, 1),
        tenant=channel.tenant,
        event=EventKind.TEST,
        seq=1,
        slot=now,
        severity=Severity.INFO,
        rule=RuleFacts(id=rule_id, title=f"Test of channel {name}", description=_TEST),
        channels=(ChannelRef(kind=channel.kind, name=name),),
    )
    places = [(one.kind, one.channel, one.recipient) for one in ports.channels.destinations([channel])]

    def work(tx: Tx) -> None:
        telling.write(tx, ports, made, (), places)
        audit.record(tx, now, actor, "channel.test", name, None, {"notification": made.id})

    ports.store.write(work)
    report = telling.publish_now(ports, [made.id])
    if report.refused:
        raise Unavailable("the broker", ports.broker.sink, report.error, "K_SINK")
    return delivery_result(ports, made.id)


def delivery_result(ports: Ports, notification_id: str) -> SentTest:
    """What came of a test message so far."""

    def work(tx: Tx) -> SentTest:
        rows = listing.deliveries_with(tx, notification_id=notification_id)
        letters = dead_letters.listing(tx, event_id=notification_id)
        waiting = any(row.next_at is not None for row in rows)
        said = next((one.error_data or "it gave no reason" for one in letters), "") if waiting else ""
        return SentTest(notification_id, tuple(rows), said)

    return ports.store.read(work)


def list_channels(ports: Ports) -> list[ChannelItem]:
    """All configured channels of this tenant."""
    known = ports.channels.channels
    health = ports.store.read(standings.channel_health)
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
