"""The generic webhook: in which order a program reads what it is told."""

import json

from shared.channels._combine import combine
from shared.channels._message import build
from shared.channels.webhook import Settings, render
from shared.model import Channel
from tests.support.deliveries import SLOT, alert, notification

CHANNEL = Channel(name="hook", kind="webhook")


def test_alerts_stand_in_the_order_in_which_they_began_so_that_the_last_word_on_a_series_is_the_newest() -> (
    None
):
    over = alert(1, "resolved", started_at=SLOT - 300_000, resolved_at=SLOT - 60_000)
    again = alert(1, started_at=SLOT).model_copy(update={"id": "alert_again"})
    telling = combine([notification(2, "resolved", [over]), notification(3, alerts=[again])], {over.id})
    assert telling is not None
    made = render(build(telling, id="dlv_2", zone="UTC"), CHANNEL, Settings(), "")
    told = json.loads(made.body)["data"]["alerts"]
    assert [(one["id"], one["event"]) for one in told] == [("alert_1", "resolved"), ("alert_again", "firing")]
