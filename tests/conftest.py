"""Fixtures for every test: a clean environment, no network beyond loopback, and real servers on demand.

A server is started by the first test that asks for it and serves the whole session; every test gets a database of
its own on it.
"""

import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis
from xdist.scheduler import LoadScopeScheduling

from tests.support import guard, servers
from tests.support.databases import sqlite
from tests.support.processes import free_port

_DEAREST = ("flow", "functions", "architecture", "contracts", "core")
_RENDERED = ("test_manifest", "test_docs_deploy", "test_cluster_commands")
"""Files that look at the manifests as kubectl renders them, which takes seconds, once in each worker."""
_OURS = ("TOCSIN_", "FUNCTION_", "CLOUD_RUN_", "GUNICORN_")
_NAMES = {"K_SINK", "K_CE_OVERRIDES", "PORT", "HOST", "DEBUG", "WORKERS", "THREADS"}


def pytest_configure() -> None:
    """Guard the sockets before any test module is imported."""
    guard.install()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The dearest folders first, so that no worker begins with one when the others have ended."""
    items.sort(key=lambda item: _DEAREST.index(_folder(item.nodeid)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """With several workers, tests stay together that share what is dear to start."""
    config.option.loadscopereorder = False
    return _Together(config, log)


class _Together(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    def _split_scope(self, nodeid: str) -> str:
        """A file; all that follows alerts through whole stacks; all that looks at rendered manifests."""
        path = nodeid.partition("::")[0]
        if _folder(nodeid) == "flow":
            return "flow"
        return "manifests" if Path(path).name.startswith(_RENDERED) else path


def _folder(nodeid: str) -> str:
    return nodeid.split("/")[1]


def foreign_names(names: Iterable[str]) -> list[str]:
    """The environment variables that would change what Tocsin does in a test."""
    return [
        name for name in names if name.startswith(_OURS) or name in _NAMES or name.lower().endswith("_proxy")
    ]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches them, nor a proxy that loopback would go through."""
    for name in foreign_names(os.environ):
        monkeypatch.delenv(name)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short-named temporary folder (unix sockets allow about 100 characters)."""
    with tempfile.TemporaryDirectory(prefix="tocsin-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """Where the session's servers live."""
    with tempfile.TemporaryDirectory(prefix="tocsin-") as name:
        yield Path(name)


def _own(session_folder: Path, name: str) -> Path:
    path = session_folder / name
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def mariadb(session_folder: Path) -> Iterator[servers.MariaDB]:
    """The session's MariaDB."""
    with servers.mariadb(_own(session_folder, "mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def influxdb(session_folder: Path) -> Iterator[servers.InfluxDB]:
    """The session's InfluxDB."""
    with servers.influxdb(_own(session_folder, "influxdb")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_process(session_folder: Path) -> Iterator[str]:
    """The URL of the session's Redis."""
    with servers.redis_server(_own(session_folder, "redis")) as server:
        yield server.url


@pytest.fixture
def mariadb_url(mariadb: servers.MariaDB) -> Iterator[str]:
    """A MariaDB database with all tables and nothing in them."""
    with mariadb.migrated() as url:
        yield url


@pytest.fixture
def new_mariadb_url(mariadb: servers.MariaDB) -> Iterator[str]:
    """A new MariaDB database without any table."""
    with mariadb.database() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file with all tables and nothing in them."""
    return sqlite(tmp_path / "tocsin.db")


@pytest.fixture
def new_sqlite_url(tmp_path: Path) -> str:
    """An SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'tocsin.db'}"


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def influxdb_url(influxdb: servers.InfluxDB) -> Iterator[str]:
    """A new empty InfluxDB database."""
    with influxdb.database() as url:
        yield url


@pytest.fixture
def redis_url(redis_process: str) -> str:
    """A real Redis with nothing in it."""
    with redis.Redis.from_url(redis_process, socket_timeout=5) as client:
        client.flushall()
    return redis_process


@pytest.fixture
def refused_redis_url() -> str:
    """A Redis that refuses every connection."""
    return f"redis://127.0.0.1:{free_port()}/0"


@pytest.fixture
def fake_redis_url() -> Iterator[str]:
    """The Redis of the laptop: the same protocol over TCP, in this process."""
    server = fakeredis.TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(params=["real", "fake", "refused", "absent"])
def redis_server(request: pytest.FixtureRequest) -> str:
    """Every Redis that Tocsin may meet; `absent` is the empty URL."""
    by_kind = {"real": "redis_url", "fake": "fake_redis_url", "refused": "refused_redis_url"}
    return str(request.getfixturevalue(by_kind[request.param])) if request.param in by_kind else ""


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of Prometheus's own checker of rules and metrics."""
    return servers.require("promtool")


@pytest.fixture(scope="session")
def prometheus() -> str:
    """The path of a Prometheus server."""
    return servers.require("prometheus")
