"""What a monitor wrote lately, as it is described to people."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared import manage
from shared.settings import Settings
from shared.wiring import Wiring
from tests.support.manage import NOW, add_monitor, wiring

MINUTE = 60_000


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[Wiring]:
    made = wiring(tmp_path)
    yield made
    made.close()


def write(ports: Wiring, *points: tuple[int, str]) -> None:
    """(minutes before now, point without time)."""
    lines = "\n".join(f"{point} {NOW - minutes * MINUTE}" for minutes, point in points)
    ports.metrics().write(lines.encode(), precision="ms")


def test_a_field_is_described_by_least_middle_greatest_and_latest(ports: Wiring) -> None:
    add_monitor(ports, key=("symbol",))
    write(
        ports,
        (3, 'coin,symbol=btc price=5,ok=true,word="b"'),
        (1, 'coin,symbol=eth price=9,word="a"'),
        (2, 'coin,symbol=btc price=1,ok=false,word="b"'),
    )
    found = manage.describe_monitor(ports, "Bitcoin", now=NOW)

    assert (found.points, found.series_count, found.last_at) == (3, 2, NOW - MINUTE)
    price, volume = found.fields
    assert (price.least, price.median, price.greatest, price.latest) == (1, 5, 9, 9)
    assert (price.kind, price.unit, price.points) == ("number", "float", 3)
    assert (volume.kind, volume.points, volume.latest) == ("empty", 0, None)


def test_texts_and_booleans_are_described_as_what_they_are(ports: Wiring) -> None:
    add_monitor(ports, fields={"word": "", "ok": ""})
    write(ports, (2, 'coin word="b",ok=true'), (1, 'coin word="a",ok=false'))
    ok, word = manage.describe_monitor(ports, "Bitcoin", now=NOW).fields

    assert (word.kind, word.texts, word.latest) == ("string", ("a", "b"), None)
    assert (ok.kind, ok.least, ok.greatest, ok.latest) == ("boolean", 0, 1, 0)


def test_only_points_that_pass_the_filter_are_described(ports: Wiring) -> None:
    add_monitor(ports, where={"symbol": ("btc", "eth")})
    write(ports, (1, "coin,symbol=btc price=5"), (1, "coin,symbol=doge price=900"), (1, "coin price=800"))

    found = manage.describe_monitor(ports, "Bitcoin", now=NOW)
    assert (found.points, found.fields[0].greatest) == (1, 5)


@pytest.mark.parametrize(("minutes", "hours"), [(30, 1), (90, 24), (3000, 720)])
def test_it_looks_further_back_only_when_nothing_is_there(ports: Wiring, minutes: int, hours: int) -> None:
    add_monitor(ports)
    write(ports, (minutes, "coin price=5"))

    found = manage.describe_monitor(ports, "Bitcoin", now=NOW)
    assert (found.points, found.since) == (1, NOW - hours * 60 * MINUTE)


def test_a_monitor_that_writes_nothing_is_described_without_values(ports: Wiring) -> None:
    add_monitor(ports)
    found = manage.describe_monitor(ports, "Bitcoin", now=NOW)

    assert (found.points, found.last_at, found.trouble) == (0, None, "")
    assert [(one.name, one.kind) for one in found.fields] == [("price", "empty"), ("volume", "empty")]


def test_a_metric_store_that_does_not_answer_is_named_as_the_trouble(tmp_path: Path) -> None:
    nowhere = SecretStr("influxql+http://127.0.0.1:9/db")
    ports = Wiring(Settings(state_dir=tmp_path, metrics_url=nowhere), {})
    add_monitor(ports)

    found = manage.describe_monitor(ports, "Bitcoin", now=NOW)
    ports.close()
    assert "can't be reached" in found.trouble
    assert found.points == 0
