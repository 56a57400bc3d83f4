"""Whole evaluators for the contracts of the tick: on both databases and both metric stores, or behind a gate."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.metrics import MetricStore
from shared.settings import Settings
from shared.store.engine import Store, open_store
from shared.store.migrate import migrate
from shared.wiring import Wiring
from tests.support.gate import Gate
from tests.support.sink import Reply, Sink
from tests.support.world import World

OWN_CHANNELS = """
channels:
  - {name: ops, kind: slack, default: true}
  - {name: hook, kind: webhook}
"""


@pytest.fixture(params=["sqlite and embedded", "mariadb and influxdb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An evaluator with nothing to do yet, and a broker that takes everything."""
    if request.param == "sqlite and embedded":
        database, metrics = request.getfixturevalue("sqlite_url"), "embedded:///metrics.db"
    else:
        database, metrics = request.getfixturevalue("mariadb_url"), request.getfixturevalue("influxdb_url")
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, database, metrics)
        yield made
        made.wiring.close()


@pytest.fixture
def small(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    """The quickest evaluator, for what no database and no metric store makes a difference to."""
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, sqlite_url, "embedded:///metrics.db")
        yield made
        made.wiring.close()


@pytest.fixture
def gate(influxdb_url: str) -> Iterator[Gate]:
    """A door between the evaluator and InfluxDB."""
    with Gate(influxdb_url.removeprefix("influxql+").rpartition("/")[0]) as opened:
        yield opened


@pytest.fixture
def gated(tmp_path: Path, database_url: str, influxdb_url: str, gate: Gate) -> Iterator[World]:
    """An evaluator that reaches InfluxDB through the gate only."""
    metrics = f"influxql+{gate.url}/{influxdb_url.rpartition('/')[2]}"
    with Sink(Reply(202)) as sink:
        made = World(tmp_path, sink, database_url, metrics)
        yield made
        made.wiring.close()


@pytest.fixture
def wiring(database_url: str, tmp_path: Path) -> Iterator[Wiring]:
    """A process with two channels on an empty database."""
    channels = tmp_path / "channels.yaml"
    channels.write_text(OWN_CHANNELS, encoding="utf-8")
    chosen = {"database_url": database_url, "state_dir": tmp_path, "channels_file": channels}
    made = Wiring(Settings.model_validate(chosen), {})
    store = open_store(database_url, "default")
    migrate(store)
    store.close()
    yield made
    made.close()


@pytest.fixture
def store(wiring: Wiring) -> Store:
    """The database of that process."""
    return wiring.store


@pytest.fixture
def numbers(wiring: Wiring) -> MetricStore:
    """The numbers that the process tells of itself."""
    return wiring.metrics("self")
