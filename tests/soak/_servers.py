"""The servers of a run, each of which can be made to fail: MariaDB, Redis, and InfluxDB behind a door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support import servers
from tests.support.gate import Gate
from tests.support.sink import Reply, Request


@dataclass
class Servers:
    """All of them; `metrics_url` goes through `door`, and points are written past it.

    `hang_seconds`: how long InfluxDB says nothing before it hangs up.
    """

    mariadb: servers.MortalMariaDB
    redis: servers.Redis
    door: Gate
    database_url: str
    metrics_url: str
    _write_url: str
    hang_seconds: float

    def write(self, lines: Iterator[str]) -> None:
        """Points in line protocol, in milliseconds."""
        answer = httpx.post(self._write_url, content="\n".join(lines), timeout=30, trust_env=False)
        answer.raise_for_status()

    # ------------------------------------------------------------------ what InfluxDB may do instead

    def influxdb_errs(self) -> None:
        """Every request is answered with an error."""
        self.door.answer = lambda request: Reply(500, body={"error": "timeout"})

    def influxdb_hangs(self) -> None:
        """Nothing is answered, for some seconds, and then the connection ends."""
        self.door.answer = lambda request: Reply(delay=self.hang_seconds, drop="unanswered")

    def influxdb_breaks_off(self) -> None:
        """Every answer ends in the middle."""

        def halfway(request: Request) -> Reply:
            whole = self.door.forward(request)
            body = whole.content()
            return Reply(200, whole.headers, body[: len(body) // 2], drop="halfway")

        self.door.answer = halfway

    def influxdb_is_well(self) -> None:
        """Requests pass."""
        self.door.answer = self.door.forward


@contextmanager
def running_servers(folder: Path, hang_seconds: float) -> Iterator[Servers]:
    """Each in a folder of its own, on free loopback ports."""
    with ExitStack() as stack:
        for name in ("mariadb", "redis", "influxdb"):
            (folder / name).mkdir(parents=True)
        mariadb = stack.enter_context(servers.mortal_mariadb(folder / "mariadb"))
        redis = stack.enter_context(servers.redis_server(folder / "redis"))
        influxdb = stack.enter_context(servers.influxdb(folder / "influxdb"))
        real = stack.enter_context(influxdb.database())
        name = real.rpartition("/")[2]
        door = stack.enter_context(Gate(f"http://127.0.0.1:{influxdb.port}"))
        mariadb.access.query("CREATE DATABASE soak")
        yield Servers(
            mariadb,
            redis,
            door,
            mariadb.access.url_of("soak"),
            f"influxql+{door.url}/{name}",
            f"http://127.0.0.1:{influxdb.port}/write?db={name}&precision=ms",
            hang_seconds,
        )
