"""What a metric store reduces itself is what numpy makes of the same points, on every store."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.columns import AggregateQuery, Part, Partials, SampleQuery
from shared.conditions._reduced import Aggregated
from shared.errors import QueryFailed
from shared.metrics import MetricStore, open_metrics
from shared.metrics.stack import stacked
from shared.model import Reading
from shared.plan import QueryGroup
from shared.readings import Readings, measure
from shared.reads import Reads, asks_of, plan
from tests.support.series import book, monitor_row, rule_row, threshold

T0 = 1_700_000_000_000
STOP = T0 + 600_000
_numbers = itertools.count()


@pytest.fixture(params=["embedded", "influxql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetricStore]:
    """An empty store of each kind."""
    embedded = request.param == "embedded"
    url = "embedded:///metrics.db" if embedded else str(request.getfixturevalue("influxdb_url"))
    opened = open_metrics(url, state_dir=tmp_path)
    yield opened
    opened.close()


def write(store: MetricStore, *lines: str) -> None:
    store.write("\n".join(lines).encode(), precision="ms")


def asked(*parts: Part, tags: tuple[str, ...] = ("a",), **more: Any) -> AggregateQuery:
    return AggregateQuery("m", tags, parts, **more)


def part(field: str, *functions: str, start: int = T0, stop: int = STOP) -> Part:
    return Part(field, functions, start, stop)


def table(made: Partials) -> set[tuple[object, ...]]:
    """Every row as (part, tags…, newest value and its time, or the numbers)."""
    rows = set()
    for i in range(len(made)):
        tags = [column.values[column.codes[i]] for column in made.tags.values()]
        numbers = [float(made.numbers[name][i]) for name in ("count", "sum", "min", "max")]
        told: list[object] = [number for number in numbers if number == number]
        if made.latest.present[i]:
            code = made.latest.codes[i]
            value = made.latest.texts[code] if code >= 0 else float(made.latest.numbers[i])
            told = [value, int(made.time[i]) - T0]
        rows.add((int(made.part[i]), *tags, *told))
    return rows


def test_each_part_is_a_row_per_combination_of_tags(store: MetricStore) -> None:
    write(store, *(f"m,a={a} v={n + len(a)} {T0 + n * 1000}" for n in range(4) for a in ("x", "yy")))
    made = store.aggregate(asked(part("v", "latest"), part("v", "count", "sum", "min", "max")), 5)
    assert table(made) == {
        (0, "x", 4.0, 3000),
        (0, "yy", 5.0, 3000),
        (1, "x", 4.0, 10.0, 1.0, 4.0),
        (1, "yy", 4.0, 14.0, 2.0, 5.0),
    }


def test_spans_include_their_start_and_not_their_stop(store: MetricStore) -> None:
    write(store, *(f"m v={n} {T0 + n}" for n in range(6)))
    spans = [part("v", "sum", start=T0 + n, stop=T0 + n + 2) for n in (0, 2, 4)]
    assert table(store.aggregate(asked(*spans, tags=()), 5)) == {(0, 1.0), (1, 5.0), (2, 9.0)}


def test_a_field_or_span_without_points_has_no_rows(store: MetricStore) -> None:
    write(store, f"m v=1 {T0}")
    query = asked(
        part("nope", "latest"),
        part("v", "latest", start=T0 + 1),
        part("v", "count", start=T0 + 1),
        part("v", "latest"),
    )
    assert table(store.aggregate(query, 5)) == {(3, "", 1.0, 0)}


def test_an_unknown_measurement_has_no_rows(store: MetricStore) -> None:
    assert len(store.aggregate(asked(part("v", "latest"), part("v", "sum")), 5)) == 0


def test_integers_are_added_up_without_overflow(store: MetricStore) -> None:
    write(store, *(f"m v={2**62}i {T0 + n}" for n in range(4)))
    ((_, _, total),) = table(store.aggregate(asked(part("v", "sum")), 5))
    assert total == pytest.approx(2.0**64)


def test_the_newest_value_may_be_of_any_type(store: MetricStore) -> None:
    write(store, f'm t="old",b=true,i=1i {T0}', f'm t="it\'s \\"new\\"",b=false,i=2i {T0 + 1}')
    made = store.aggregate(asked(part("t", "latest"), part("b", "latest"), part("i", "latest"), tags=()), 5)
    assert table(made) == {(0, 'it\'s "new"', 1), (1, 0.0, 1), (2, 2.0, 1)}


def test_texts_and_booleans_are_counted_and_texts_have_no_sum(store: MetricStore) -> None:
    write(store, f'm t="x",b=true {T0}', f'm t="y",b=true {T0 + 1}')
    made = store.aggregate(asked(part("b", "count"), part("t", "sum"), tags=()), 5)
    assert {row for row in table(made) if len(row) > 1} == {(0, 2.0)}


def test_names_and_filters_may_be_hostile(store: MetricStore) -> None:
    write(store, f'odd\\ "m,ta\\ "g=x\\ y,_0=z fie\\ "ld=1 {T0}', f'odd\\ "m,ta\\ "g=other fie\\ "ld=2 {T0}')
    query = AggregateQuery(
        'odd "m', ('ta "g', "_0"), (part('fie "ld', "latest"),), where=({'ta "g': "x y"}, {"_0": "') OR 1=1"})
    )
    assert table(store.aggregate(query, 5)) == {(0, "x y", "z", 1.0, 0)}


def test_an_aggregate_that_is_late_is_a_failed_query(store: MetricStore) -> None:
    write(store, *(f"m,a=i{number} v=1 {T0}" for number in range(5_000)))
    with pytest.raises(QueryFailed, match=r"within 0\.001 seconds"):
        store.aggregate(asked(part("v", "latest"), part("v", "sum")), 0.001)


# ------------------------------------------------------------------ the same readings on either path

POINTS = st.lists(
    st.tuples(
        st.integers(0, 599).map(lambda second: T0 + second * 1000),
        st.sampled_from(["p", "q"]),
        st.sampled_from(["ok", "bad", "worse"]),
        st.one_of(
            st.floats(-1e9, 1e9, allow_nan=False, allow_subnormal=False).map(lambda number: f"v={number!r}"),
            st.integers(-(10**6), 10**6).map(lambda number: f"i={number}i"),
            st.sampled_from(['s="up"', 's="down"', "b=true", "b=false"]),
        ),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda point: (point[0], point[1]),  # of points at one time the newest is not defined
)


def group_of(measurement: str) -> QueryGroup:
    """Rules of every aggregation that merges, over windows that nest and windows that lie earlier."""
    conditions = [
        threshold(f"{field} > 0", aggregation=aggregation, window_seconds=window)
        for field, aggregation in itertools.product("vi", ("latest", "avg", "sum", "count", "min", "max"))
        for window in (60, 300)
    ]
    conditions += [threshold('s == "up"', window_seconds=600), threshold("b == true", window_seconds=600)]
    conditions += [threshold("s > 1", window_seconds=600), threshold("b > 0", aggregation="count")]
    conditions += [
        {
            "type": "change",
            "field": "v",
            "operator": ">",
            "value": 1,
            "aggregation": "avg",
            "window_seconds": 60,
        }
    ]
    monitors = [
        monitor_row("all", measurement=measurement, key=["host"]),
        monitor_row("one", measurement=measurement, key=[], filter={"result": ["ok", "bad"]}),
    ]
    rules = [
        rule_row(f"{monitor}{n}", condition, monitor_id=f"mon_{monitor}")
        for n, condition in enumerate(conditions)
        for monitor in ("all", "one")
    ]
    (group,) = book(monitors, rules).groups
    return group


def seen(readings: Readings) -> dict[tuple[str, str], Reading]:
    return {(readings.rule_id(i), readings.key(i)): readings.reading(i) for i in range(len(readings))}


def reduced(store: MetricStore, group: QueryGroup, reads: Reads) -> Readings:
    partials = store.aggregate(reads.aggregates(group, STOP), 20)
    return measure(group, stacked([], group.tags), STOP, Aggregated(partials, reads.answers))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=POINTS)
def test_the_same_points_give_the_same_readings_read_one_by_one_or_reduced(
    store: MetricStore, points: list[tuple[int, str, str, str]]
) -> None:
    measurement = f"m{next(_numbers)}"
    write(store, *(f"{measurement},host={host},result={tag} {value} {at}" for at, host, tag, value in points))
    group = group_of(measurement)
    reads = plan(asks_of(group), every_ms=1)
    assert not reads.raw_fields
    query = SampleQuery(measurement, group.tags, group.fields, STOP - group.lookback_ms, STOP)
    one_by_one = seen(measure(group, store.read(query, 20), STOP))

    made = seen(reduced(store, group, reads))

    assert made.keys() == one_by_one.keys()
    for pair, reading in one_by_one.items():
        values = (made[pair].value, reading.value)
        if None not in values:
            assert values[0] == pytest.approx(values[1], rel=1e-9, abs=1e-3)
        else:
            assert values == (None, None)
        told = [(one.text, one.missing, one.at, one.error) for one in (made[pair], reading)]
        assert told[0] == told[1], pair


def test_a_field_whose_type_changed_from_shard_to_shard_reads_alike_on_either_path(influxdb_url: str) -> None:
    store = open_metrics(influxdb_url)
    day = 86_400_000
    write(store, f"m,host=p v=1i {STOP - 16 * day}")
    write(store, f"m,host=p v=2.5 {STOP - 8 * day}")
    write(store, f'm,host=p v="text" {STOP - 1000}')  # InfluxDB answers the numbers and leaves the text out
    conditions = [
        threshold("v > 0", aggregation=name, window_seconds=20 * 86_400)
        for name in ("latest", "sum", "count")
    ]
    rules = [rule_row(str(n), condition) for n, condition in enumerate(conditions)]
    (group,) = book([monitor_row(measurement="m")], rules).groups
    query = SampleQuery("m", group.tags, group.fields, STOP - group.lookback_ms, STOP)
    one_by_one = seen(measure(group, store.read(query, 20), STOP))
    assert sorted(reading.value or 0 for reading in one_by_one.values()) == [2.0, 2.5, 3.5]
    assert seen(reduced(store, group, plan(asks_of(group), every_ms=1))) == one_by_one
    store.close()
