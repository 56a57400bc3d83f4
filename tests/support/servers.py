"""The real servers behind the contract tests: each in its own folder, on free loopback ports, from Debian's packages.

Nothing here touches a server that was already running, nor a standard port.
"""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import redis

from tests.support.databases import MariaDB as MariaDB
from tests.support.processes import Child, accepts_connections, free_port

# Programs in the packages' own words; a folder that a user's PATH may lack is searched as well.
PACKAGES = {
    "mariadbd": "mariadb-server",
    "redis-server": "redis-server",
    "influxd": "influxdb",
    "promtool": "prometheus",
}
_MORE_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/opt/homebrew/sbin")


def find(program: str) -> str | None:
    """The path of a program, or None."""
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(_MORE_FOLDERS))


def require(program: str) -> str:
    """The path of a program; without it the test is skipped, and under CI=true it fails."""
    path = find(program)
    if path is not None:
        return path
    reason = f"{program} is not installed (`python -m tests.support.install` installs it as root on Debian)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def run(*command: str) -> None:
    """Run a program to its end, a minute at most; AssertionError with all that it said when it fails."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise AssertionError(f"{command[0]} ended with {done.returncode}\n{done.stdout}")


class MortalMariaDB:
    """A MariaDB with Debian's default collation, which ignores case: ours must not rely on it.

    It may be killed, and started again at the same address with the same data; what is `durable` keeps every commit
    when only its process dies (and the machine lives on).
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        server, installer = require("mariadbd"), require("mariadb-install-db")
        port, as_user = free_port(), (["--user=root"] if os.geteuid() == 0 else [])
        data = folder / "data"
        # Every server that starts deletes all temporary tables in its tmpdir: in /tmp, those of its neighbours.
        own_place = f"--tmpdir={folder}"
        run(
            *[installer, "--no-defaults", f"--datadir={data}", own_place, *as_user, "--skip-test-db"],
            *["--auth-root-authentication-method=normal", "--skip-name-resolve", "--innodb-log-file-size=8M"],
        )
        self.access = MariaDB(port)
        setup = folder / "setup.sql"
        setup.write_text(
            f"CREATE USER IF NOT EXISTS '{self.access.user}'@'%' IDENTIFIED BY '{self.access.password}';\n"
            f"GRANT ALL ON *.* TO '{self.access.user}'@'%';\n"
        )
        written = ("2", "1") if durable else ("0", "0")
        self._folder = folder
        self._command = [
            *[server, "--no-defaults", *as_user, f"--datadir={data}", f"--socket={folder / 'sock'}"],
            *[own_place, f"--pid-file={folder / 'pid'}", f"--port={port}", "--bind-address=127.0.0.1"],
            *["--skip-networking=0", "--skip-name-resolve", f"--init-file={setup}", "--max-connections=300"],
            *[f"--innodb-flush-log-at-trx-commit={written[0]}", f"--innodb-doublewrite={written[1]}"],
            *["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=8M", "--skip-log-bin"],
            *["--performance-schema=off"],
            *["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"],
        ]
        self.start()

    def start(self) -> None:
        """Start it, with whatever data there is, and wait until it takes connections."""
        self._child = Child(self._command, self._folder)
        self._child.wait_ready(lambda: accepts_connections(self.access.port), 60)

    def kill(self) -> None:
        """kill -9: from now on connections are refused."""
        self._child.kill()


@contextmanager
def mariadb(folder: Path) -> Iterator[MariaDB]:
    """A MariaDB without durability."""
    server = MortalMariaDB(folder, durable=False)
    try:
        yield server.access
    finally:
        server.kill()


@contextmanager
def mortal_mariadb(folder: Path) -> Iterator[MortalMariaDB]:
    """A MariaDB of one's own, which keeps what was committed when it is killed."""
    server = MortalMariaDB(folder, durable=True)
    try:
        yield server
    finally:
        server.kill()


class Redis:
    """A Redis that keeps nothing on disk; it may be killed, and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        place = ["--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._child = Child(
            [require("redis-server"), *place, "--save", "", "--appendonly", "no"], self._folder
        )
        self._child.wait_ready(self._answers, 20)

    def kill(self) -> None:
        """kill -9: from now on connections are refused."""
        self._child.kill()

    def _answers(self) -> bool:
        if not accepts_connections(self._port):
            return False
        with redis.Redis(port=self._port, socket_timeout=5) as client:
            return bool(client.ping())


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """A Redis of one's own."""
    server = Redis(folder)
    try:
        yield server
    finally:
        server.kill()


_INFLUXD = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"

[meta]
  dir = "{folder}/meta"

[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
  max-series-per-database = 0
  max-values-per-tag = 0

[monitor]
  store-enabled = false

[subscriber]
  enabled = false

[continuous_queries]
  enabled = false

[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
"""


@dataclass(frozen=True, slots=True)
class InfluxDB:
    """A running InfluxDB 1.x without users."""

    port: int

    def query(self, text: str) -> None:
        """Run one InfluxQL statement that changes something."""
        reply = httpx.post(
            f"http://127.0.0.1:{self.port}/query", data={"q": text}, timeout=10, trust_env=False
        )
        reply.raise_for_status()

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new empty database, dropped afterwards."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        self.query(f"CREATE DATABASE {name}")
        yield f"influxql+http://127.0.0.1:{self.port}/{name}"
        self.query(f"DROP DATABASE {name}")


@contextmanager
def influxdb(folder: Path) -> Iterator[InfluxDB]:
    """An InfluxDB 1.x (Debian's), reached over HTTP."""
    program, port, config = require("influxd"), free_port(), folder / "influxdb.conf"
    config.write_text(_INFLUXD.format(folder=folder, http=port, rpc=free_port()))
    child = Child([program, "run", "-config", str(config)], folder)

    def answers() -> bool:
        if not accepts_connections(port):
            return False
        return httpx.get(f"http://127.0.0.1:{port}/ping", timeout=5, trust_env=False).is_success

    try:
        child.wait_ready(answers, 30)
        yield InfluxDB(port)
    finally:
        child.kill()
