"""The stacks that the tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import servers
from tests.support.flow import Flow, running_flow
from tests.support.gate import Gate


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    """As `make run` has it: SQLite, the embedded metric store, a Redis inside the runner."""
    with running_flow(tmp_path_factory.mktemp("laptop")) as flow:
        yield flow


@pytest.fixture(scope="session")
def influx_gate(influxdb: servers.InfluxDB) -> Iterator[Gate]:
    """Every request to InfluxDB passes here."""
    with Gate(f"http://127.0.0.1:{influxdb.port}") as gate:
        yield gate


@pytest.fixture(scope="session")
def with_servers(
    mariadb: servers.MariaDB,
    influxdb: servers.InfluxDB,
    influx_gate: Gate,
    session_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flow]:
    """The same manifests on MariaDB, InfluxDB and a real Redis."""
    folder = session_folder / "flow-redis"
    folder.mkdir()
    with (
        mariadb.database() as database,
        influxdb.database() as metrics,
        servers.redis_server(folder) as redis,
        running_flow(
            tmp_path_factory.mktemp("servers"),
            {
                "TOCSIN_DATABASE_URL": database,
                "TOCSIN_METRICS_URL": f"influxql+{influx_gate.url}/{metrics.rpartition('/')[2]}",
                "TOCSIN_REDIS_URL": redis,
            },
        ) as flow,
    ):
        yield flow


@pytest.fixture(scope="module")
def without_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    """The laptop with a Redis that refuses every connection."""
    with running_flow(tmp_path_factory.mktemp("no-redis"), without=["redis"]) as flow:
        yield flow
