"""What the broker gave up on → a row. Always answers 204 once it is recorded: a dead letter has nowhere else to go."""

import re

import flask

from shared import deliver, function
from shared.events import Event
from shared.wiring import Wiring


@function.cloud_event
def dead_letter(event: Event, wiring: Wiring) -> None:
    """Record the event under the channel kind that its Trigger named in the path: `/kind/<kind>`."""
    named = re.fullmatch(r"/kind/([a-z0-9_-]{1,32})/?", flask.request.path)
    deliver.bury(event, named[1] if named else "", wiring)
