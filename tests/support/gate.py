"""A door that HTTP passes through: a sink that hands its requests on, counts them, and can be made to misbehave.

Stands between a function and the Broker, or between a function and InfluxDB. Must not know what passes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import httpx

from tests.support.sink import Reply, Request, Sink

_PER_HOP = frozenset(
    {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "te", "expect"}
)
_CODING = frozenset({"accept-encoding", "content-encoding"})


class Gate(Sink):
    """Requests go to `upstream` (set it before the first one) unless `instead` says otherwise."""

    def __init__(self, upstream: str = "") -> None:
        self.upstream = upstream
        # One client for all requests: each would load the world's certificates again, which takes longer than it.
        self._client = httpx.Client(
            timeout=30, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        super().__init__(answer=self.forward)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._client.close()

    def forward(self, request: Request) -> Reply:
        """The upstream's own answer, whole."""
        headers = {k: v for k, v in request.headers.items() if k not in _PER_HOP | {"accept-encoding"}}
        reply = self._client.request(
            request.method, self.upstream + request.path, headers=headers, content=request.body
        )
        kept = {k: v for k, v in reply.headers.items() if k.lower() not in _PER_HOP | _CODING}
        return Reply(reply.status_code, kept, reply.content)

    @contextmanager
    def instead(self, answer: Callable[[Request], Reply]) -> Iterator[None]:
        """Answer like this, for as long as the block runs."""
        self.answer = answer
        try:
            yield
        finally:
            self.answer = self.forward
