"""Posting one event to the Broker (`K_SINK`): durable acceptance or an error, nothing in between."""

import json
from collections.abc import Mapping
from dataclasses import replace

import httpx

from shared.errors import Unavailable
from shared.events import Event, to_http

TIMEOUT = httpx.Timeout(5.0, connect=3.0)
"""The Broker answers before it delivers (async handler or a durable class), so 5 s is generous."""

AT_ONCE = 16


class Broker:
    """Where events are published. Holds a connection pool; makes no connection before the first event."""

    def __init__(self, sink: str, overrides: str = "") -> None:
        """`sink` is `K_SINK`, `overrides` is `K_CE_OVERRIDES`; a SinkBinding sets both."""
        self.sink = sink
        self._extensions: Mapping[str, str] = json.loads(overrides).get("extensions", {}) if overrides else {}
        self._client = httpx.Client(
            timeout=TIMEOUT,
            trust_env=False,
            limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
        )

    def publish(self, event: Event) -> None:
        """Return once the Broker accepted the event with a 2xx; raise Unavailable otherwise."""
        if not self.sink:
            raise Unavailable("the broker", "", "no address is known", "K_SINK, which a SinkBinding sets")
        if self._extensions:
            event = replace(event, attributes={**event.attributes, **self._extensions})
        headers, body = to_http(event)
        try:
            reply = self._client.post(self.sink, headers=headers, content=body)
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise Unavailable("the broker", self.sink, why, "K_SINK") from error
        if not reply.is_success:
            raise Unavailable("the broker", self.sink, f"it answered {reply.status_code}", "K_SINK")

    def close(self) -> None:
        """Close the connection pool."""
        self._client.close()
