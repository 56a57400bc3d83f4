"""A Redis server for one machine: fakeredis behind a real TCP port, so that functions use their real client.

Must not keep anything: like the Redis that Tocsin expects, it may forget everything at any moment.
"""

from __future__ import annotations

import threading
from typing import Any

from knative.local.addresses import LOOPBACK


class RedisServer:
    """A fake Redis on one loopback port, served by a thread of its own."""

    def __init__(self, port: int) -> None:
        # fakeredis brings the redis client with it; nothing else here needs either.
        from fakeredis import TcpFakeServer

        self._server: Any = TcpFakeServer((LOOPBACK, port))
        # A client that stays connected must not hold up the end of the stack.
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="redis", daemon=True
        )

    def start(self) -> None:
        """Accept connections from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting, and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
