"""Tools about channels: where people are told, and trying one out."""

from typing import Annotated

from pydantic import Field

from shared import manage
from shared.conversation import shapes, times
from shared.conversation.access import Scope
from shared.conversation.shapes import DeliveryOut
from shared.conversation.tooling import Call, Out, tool


class ChannelOut(Out):
    """A place where people are told. Its secrets are not known here."""

    name: str
    kind: str
    default: bool = Field(description="Whether rules without channels tell it.")
    fallback: str | None = Field(None, description="Told when this one can't be reached in time.")
    health: str
    reason: str | None = None
    since: str | None = None


class Channels(Out):
    """All of them: they are declared in a file, so there are few."""

    items: list[ChannelOut]
    total: int
    hint: str | None = None


class TestSent(Out):
    """A test message on its way."""

    notification_id: str
    finished: bool = Field(description="Whether nothing more will happen to it.")
    delivered: bool = Field(description="Whether every recipient's vendor took it.")
    deliveries: list[DeliveryOut]
    hint: str | None = None


@tool("List channels", Scope.READ)
def list_channels(call: Call) -> Channels:
    """Where people can be told (Slack, email, …), and whether that works now. Use it before naming channels in a rule,
    and when somebody was not told. They are declared in a file and can't be changed by a tool."""
    found = manage.list_channels(call.ports)
    items = [
        ChannelOut(
            name=one.channel.name,
            kind=one.channel.kind,
            default=one.channel.default,
            fallback=one.channel.fallback or None,
            health=one.health,
            reason=one.reason or None,
            since=times.shown(one.since),
        )
        for one in found
    ]
    empty = "No channel is configured: whoever runs Tocsin declares them in TOCSIN_CHANNELS_FILE."
    return Channels(items=items, total=len(items), hint=None if items else empty)


@tool("Send a test message", Scope.TEST, outside=True)
def send_test_notification(
    call: Call,
    channel: Annotated[str, Field(max_length=63, description="Name of the channel, from list_channels.")],
) -> TestSent:
    """Send one message, marked as a test, to a channel, on the way that every message takes. Use it when a person wants
    to see whether a channel works; people will get it. It is never sent twice by itself, so don't repeat it to find out
    what became of it: use list_deliveries."""
    sent = manage.send_test(call.ports, channel, actor=call.actor, now=call.now)
    wait = f"It is on its way; call list_deliveries with channel {channel} to see what became of it."
    return TestSent(
        notification_id=sent.notification_id,
        finished=sent.finished,
        delivered=sent.finished and sent.good,
        deliveries=[shapes.delivery(one) for one in sent.result],
        hint=None if sent.finished else wait,
    )
