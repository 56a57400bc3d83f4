"""Tools about deliveries: what became of each message, and trying again what failed."""

from typing import Annotated, Literal

from pydantic import Field

from shared import manage
from shared.conversation import cursors, shapes
from shared.conversation.access import Scope
from shared.conversation.arguments import Cursor, Limit
from shared.conversation.shapes import DeliveryOut
from shared.conversation.tooling import Call, Out, tool

State = Literal[
    "pending", "claimed", "sending", "delivered", "accepted", "retry", "unknown", "rejected", "expired", "superseded"
]  # fmt: skip


class DeliveryPage(shapes.Page):
    """Deliveries, newest first."""

    items: list[DeliveryOut]


class Retried(Out):
    """The delivery, due again."""

    delivery: DeliveryOut


@tool("List deliveries", Scope.READ)
def list_deliveries(
    call: Call,
    state: Annotated[State | None, Field(description="Only of this state.")] = None,
    channel: Annotated[
        str | None, Field(max_length=63, description="Only of this channel (its name).")
    ] = None,
    rule_id: Annotated[
        str | None, Field(max_length=200, description="Only of this rule (id or title).")
    ] = None,
    alert_id: Annotated[str | None, Field(max_length=100, description="Only about this alert.")] = None,
    only_open: Annotated[
        bool, Field(description="Only those that will be tried again by themselves.")
    ] = False,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> DeliveryPage:
    """What became of each message to each recipient, newest first. Use it for "was the team told?" and "why did nobody
    get it?". rejected, expired and unknown ones can be tried again with retry_delivery."""
    filters = {
        "state": state, "channel": channel, "rule": rule_id, "alert": alert_id, "only_open": only_open
    }  # fmt: skip
    page = manage.list_deliveries(
        call.ports,
        state=state or "",
        channel=channel or "",
        rule=rule_id or "",
        alert=alert_id or "",
        only_open=only_open,
        limit=limit,
        cursor=cursors.opened(cursor, call.tenant, "list_deliveries", filters),
    )
    empty = "No delivery matches." if any(filters.values()) else "No message was sent yet."
    return DeliveryPage(
        items=[shapes.delivery(one) for one in page.items],
        total=page.total,
        next_cursor=cursors.sealed(page.cursor, call.tenant, "list_deliveries", filters),
        hint=None if page.items else empty,
    )


@tool("Try a delivery again", Scope.ACT, outside=True)
def retry_delivery(
    call: Call,
    delivery_id: Annotated[
        str, Field(max_length=100, description="Id of the delivery, from list_deliveries.")
    ],
) -> Retried:
    """Send a message again that was rejected, has expired or is unknown, with all its attempts and a new deadline. Use
    it after the cause was put right. What tells an old story is refused: when nothing of it fires any more, or newer
    news was told. Those that wait are tried by themselves."""
    done = manage.retry_deliveries(call.ports, [delivery_id], actor=call.actor, now=call.now)
    again = manage.get_delivery(call.ports, done.deliveries[0].id)
    return Retried(delivery=shapes.delivery(again.delivery))
