"""Posting one event to the Broker (`K_SINK`): durable acceptance or an error, nothing in between.

Over urllib3 itself: a tick may publish a thousand events, and any client above it spends more time on each of them
than all the rest of the way from the rule to the event takes.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

import urllib3

from shared.errors import PoisonEvent, Unavailable
from shared.events import Event, to_http

ANSWER_SECONDS = 5.0
"""The Broker answers before it delivers (async handler or a durable class), so 5 s is generous."""
TIMEOUT = urllib3.Timeout(connect=3.0, read=ANSWER_SECONDS)

AT_ONCE = 16
_ITS_OWN_FAULT = frozenset({400, 413, 414, 415, 422, 431})
"""Answers that blame the event, and not the Broker or the way to it."""


class Broker:
    """Where events are published. Holds a connection pool; makes no connection before the first event."""

    def __init__(self, sink: str, overrides: str = "") -> None:
        """`sink` is `K_SINK`, `overrides` is `K_CE_OVERRIDES`; a SinkBinding sets both."""
        self.sink = sink
        self._extensions: Mapping[str, str] = json.loads(overrides).get("extensions", {}) if overrides else {}
        self._pool = urllib3.PoolManager(maxsize=AT_ONCE, block=True, timeout=TIMEOUT, retries=False)

    def publish(self, event: Event) -> None:
        """Return once the Broker accepted the event with a 2xx.

        Raises PoisonEvent when the answer blames the event, Unavailable otherwise.
        """
        if not self.sink:
            raise Unavailable("the broker", "", "no address is known", "K_SINK, which a SinkBinding sets")
        if self._extensions:
            event = replace(event, attributes={**event.attributes, **self._extensions})
        headers, body = to_http(event)
        try:
            reply = self._pool.request("POST", self.sink, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            why = str(error) or type(error).__name__
            raise Unavailable("the broker", self.sink, why, "K_SINK") from error
        if reply.status in _ITS_OWN_FAULT:
            raise PoisonEvent(f"the broker refuses this event: it answered {reply.status}")
        if not 200 <= reply.status < 300:
            raise Unavailable("the broker", self.sink, f"it answered {reply.status}", "K_SINK")

    def close(self) -> None:
        """Close the connection pool."""
        self._pool.clear()
