"""The same points give the same columns over Flux as from the other stores; Flux's answers are files in its dialect."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.columns import FieldColumn, SampleQuery, Samples
from shared.metrics import MetricStore, open_metrics
from tests.support.sink import Reply, Sink

ANSWERS = Path(__file__).parent / "flux"
T0 = 1_700_000_000_000

QUERIES = {
    "types": SampleQuery("m", (), ("f", "i", "t", "n", "s"), T0, T0 + 60_000),
    "odd": SampleQuery("odd", ("result", "table", "error", "nope"), ("s", "v", "none"), T0, T0 + 60_000),
    "flips": SampleQuery(
        "http_response", ("server", "host"), ("result_code", "response_time"), T0, T0 + 60_000
    ),
    "same": SampleQuery("m", ("id",), ("v", "w"), T0, T0 + 60_000),
    "empty": SampleQuery("m", ("id",), ("v",), T0, T0 + 60_000),
}


@pytest.fixture(params=["embedded", "influxql"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetricStore]:
    """An empty store that takes points."""
    embedded = request.param == "embedded"
    url = "embedded:///metrics.db" if embedded else str(request.getfixturevalue("influxdb_url"))
    opened = open_metrics(url, state_dir=tmp_path)
    yield opened
    opened.close()


def read_flux(name: str) -> Samples:
    with Sink(Reply(body=(ANSWERS / f"{name}.csv").read_bytes())) as sink:
        store = open_metrics(f"flux+http://127.0.0.1:{sink.port}/bucket?org=us")
        samples = store.read(QUERIES[name], 5)
        store.close()
    return samples


def cells(column: FieldColumn) -> list[object]:
    """The usable values, as bools, numbers and strings."""
    found: list[object] = []
    for present, number, code in zip(column.present, column.numbers, column.codes, strict=True):
        value = column.texts[code] if code >= 0 else float(number)
        found.append((bool(value) if column.kind == "boolean" else value) if present else None)
    return found


def table(samples: Samples) -> list[tuple[object, ...]]:
    """The rows, ordered by all of their cells."""
    columns: list[list[object]] = [samples.time.tolist()]
    columns += [[tag.values[code] for code in tag.codes] for tag in samples.tags.values()]
    columns += [cells(field) for field in samples.fields.values()]
    return sorted(zip(*columns, strict=True), key=repr)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_the_same_points_give_the_same_columns(name: str, other: MetricStore) -> None:
    other.write((ANSWERS / f"{name}.lp").read_bytes())

    found, expected = read_flux(name), other.read(QUERIES[name], 5)

    assert table(found) == table(expected)
    assert list(found.tags) == list(expected.tags)
    assert {field: column.kind for field, column in found.fields.items()} == {
        field: column.kind for field, column in expected.fields.items()
    }
    assert found.dropped_future == expected.dropped_future == 0


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_rows_come_oldest_first_and_the_size_is_told(name: str) -> None:
    samples = read_flux(name)

    assert samples.time.tolist() == sorted(samples.time.tolist())
    assert samples.bytes_read == (ANSWERS / f"{name}.csv").stat().st_size


def test_points_of_one_millisecond_come_in_their_order() -> None:
    assert cells(read_flux("odd").fields["s"])[:2] == ["", 'say "a, b"\nand c']
