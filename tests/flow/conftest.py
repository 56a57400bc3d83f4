"""The stacks that the tests of this folder share: one with every function, and one with few of them on real servers.

Each is started once, by the first test that asks for it, and every test finds it at rest.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import servers
from tests.support.flow import Flow, running_flow
from tests.support.gate import Gate

FEW = ("slack", "webhook")
"""One kind for people and one for machines: what all of them do is seen on the laptop's stack."""


@pytest.fixture(scope="session")
def laptop_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    """As `make run` has it: SQLite, the embedded metric store, a Redis inside the runner."""
    with running_flow(tmp_path_factory.mktemp("laptop")) as flow:
        yield flow


@pytest.fixture(scope="session")
def influx_gate(influxdb: servers.InfluxDB) -> Iterator[Gate]:
    """Every request to InfluxDB passes here."""
    with Gate(f"http://127.0.0.1:{influxdb.port}") as gate:
        yield gate


@pytest.fixture(scope="session")
def flow_redis(session_folder: Path) -> Iterator[servers.Redis]:
    """The Redis of `with_servers`."""
    folder = session_folder / "flow-redis"
    folder.mkdir()
    with servers.redis_server(folder) as server:
        yield server


@pytest.fixture(scope="session")
def stack_with_servers(
    mariadb: servers.MariaDB,
    influxdb: servers.InfluxDB,
    influx_gate: Gate,
    flow_redis: servers.Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flow]:
    """The same manifests on MariaDB, InfluxDB and a real Redis, with the functions of a few kinds."""
    with mariadb.database() as database, influxdb.database() as metrics:
        env = {
            "TOCSIN_DATABASE_URL": database,
            "TOCSIN_METRICS_URL": f"influxql+{influx_gate.url}/{metrics.rpartition('/')[2]}",
            "TOCSIN_REDIS_URL": flow_redis.url,
        }
        with running_flow(tmp_path_factory.mktemp("servers"), env, FEW) as flow:
            yield flow


@pytest.fixture
def laptop(laptop_stack: Flow) -> Flow:
    """The laptop's stack, at rest."""
    laptop_stack.rest()
    return laptop_stack


@pytest.fixture
def with_servers(stack_with_servers: Flow) -> Flow:
    """The stack on real servers, at rest."""
    stack_with_servers.rest()
    return stack_with_servers


@pytest.fixture
def mortal_redis(with_servers: Flow, flow_redis: servers.Redis) -> Iterator[servers.Redis]:
    """The Redis of `with_servers`, for a test that kills it; whoever comes later finds it used again."""
    yield flow_redis
    flow_redis.kill()
    flow_redis.start()
    with_servers.killed("evaluate")  # it would leave Redis alone for some seconds more


@pytest.fixture
def without_redis(with_servers: Flow, mortal_redis: servers.Redis) -> Flow:
    """The stack on real servers, whose Redis refuses every connection."""
    mortal_redis.kill()
    return with_servers
