"""A small HTTP server that records what it is asked and plays scripted replies: every vendor and broker of the tests.

It fakes at the wire, so that timeouts, dropped connections and half replies are the real thing.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from tests.support.waiting import wait_until

_LAST_DATA_RECV = 52
"""Where Linux' `struct tcp_info` holds the milliseconds since the last data came (linux/tcp.h)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; header names are lower case.

    `at`: when its last byte reached this machine, by the monotonic clock, however late it was read.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default=0.0, compare=False)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer.

    `delay` is in seconds; `hold` keeps the client waiting until it is set (or the sink closes). `drop` closes the
    connection instead: `unread` before the request is read, `unanswered` after it, `halfway` within the reply.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | dict[str, Any] | list[Any] = b""
    delay: float = 0.0
    hold: threading.Event | None = None
    drop: Literal["unread", "unanswered", "halfway"] | None = None

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class Sink:
    """Use as a context manager. Replies that were scripted come first, in order; then `default`.

    `answer`, when given, decides instead of `default` and sees the request.
    """

    def __init__(
        self, default: Reply | None = None, answer: Callable[[Request], Reply] | None = None
    ) -> None:
        self.default = default or Reply(200)
        self.answer = answer
        self.requests: list[Request] = []
        self._scripted: list[tuple[str | None, Reply]] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def reply(self, *replies: Reply, path: str | None = None) -> None:
        """Script the next replies, for requests of this path (query left out) or of any."""
        with self._lock:
            self._scripted.extend((path, reply) for reply in replies)

    def wait_for(self, count: int, within: float = 10.0) -> list[Request]:
        """The requests so far, when there are at least `count`."""
        wait_until(lambda: len(self.requests) >= count, f"{count} requests to the sink", within)
        return list(self.requests)

    def clear(self) -> None:
        """Forget the requests and the script."""
        with self._lock:
            self.requests.clear()
            self._scripted.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join(5)

    def _refuses_unread(self) -> bool:
        with self._lock:
            if self._scripted and self._scripted[0][1].drop == "unread":
                self._scripted.pop(0)
                return True
        return False

    def _next(self, request: Request) -> Reply:
        path = request.path.partition("?")[0]
        with self._lock:
            self.requests.append(request)
            for index, (wanted, reply) in enumerate(self._scripted):
                if wanted in (None, path):
                    del self._scripted[index]
                    return reply
        return self.answer(request) if self.answer else self.default

    def _pause(self, reply: Reply) -> None:
        if reply.delay:
            self._closing.wait(reply.delay)
        while reply.hold is not None and not self._closing.is_set():
            if reply.hold.wait(0.02):
                return


def arrival(connection: socket.socket) -> float:
    """When the kernel got the last byte that came here, by the monotonic clock; the present where it doesn't say."""
    now = time.monotonic()
    if not hasattr(socket, "TCP_INFO"):
        return now
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECV + 4)
    return float(now - struct.unpack_from("I", info, _LAST_DATA_RECV)[0] / 1000)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # else a body waits 40 ms until the client acknowledges the headers before it
    )
    server: "_Server"

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with suppress(OSError):  # the client may be gone already, which is no news
            super().finish()

    def handle(self) -> None:
        with suppress(OSError):
            if self.server.sink._refuses_unread():
                # Not before the client sends: whether its connecting failed would be a matter of luck.
                self.connection.recv(1, socket.MSG_PEEK)
                self._reset()
            else:
                super().handle()

    def parse_request(self) -> bool:
        # Any method is recorded and answered alike.
        parsed = super().parse_request()
        if parsed:
            setattr(self, f"do_{self.command}", self._play)
        return parsed

    def _play(self) -> None:
        sink = self.server.sink
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body()
        reply = sink._next(Request(self.command, self.path, headers, body, arrival(self.connection)))
        sink._pause(reply)
        if reply.drop is not None:
            if reply.drop == "halfway":
                self._start(reply, len(reply.content()) + 100)
                self.wfile.write(reply.content())
                self.wfile.flush()
            self.close_connection = True
            return
        content = reply.content()
        self._start(reply, len(content))
        if self.command != "HEAD" and reply.status not in (204, 304):
            self.wfile.write(content)

    def _start(self, reply: Reply, length: int) -> None:
        given = {name.lower() for name in reply.headers}
        # The usual way adds a Date of its own.
        (self.send_response_only if "date" in given else self.send_response)(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if isinstance(reply.body, dict | list) and "content-type" not in given:
            self.send_header("Content-Type", "application/json")
        if reply.status != 204:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts: list[bytes] = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the requests are recorded."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def hang_up(self) -> None:
        """End connections that clients keep open, so that no handler waits for their next request."""
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
