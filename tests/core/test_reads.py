"""The plan of reads: what is read one by one, what the store reduces, and that windows stay whole."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.columns import LATEST
from shared.plan import Ask
from shared.reads import MAX_PARTS, USUAL_MS, Reads, Span, asks_of, plan
from tests.support.series import EPOCH, book, monitor_row, rule_row, threshold

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def spans(reads: Reads) -> list[tuple[int, int, tuple[str, ...]]]:
    return [(span.begins_ms, span.ends_ms, span.functions) for span in reads.spans]


def test_a_window_of_ten_points_is_read_one_by_one() -> None:
    reads = plan([Ask("v", "avg", 5 * MINUTE)], USUAL_MS)
    assert (reads.raw_ms, reads.raw_fields, reads.spans) == (5 * MINUTE, ("v",), ())


def test_a_long_window_is_reduced_by_the_store_and_nothing_else_is_read() -> None:
    reads = plan([Ask("v", "avg", HOUR)], USUAL_MS)
    assert (reads.raw_ms, reads.raw_fields) == (0, ())
    assert spans(reads) == [(HOUR, 0, (LATEST,)), (HOUR, 0, ("count", "sum"))]
    assert reads.answers == {Ask("v", "avg", HOUR): (0, 1)}


def test_short_windows_stay_one_by_one_beside_a_long_one() -> None:
    short, long = Ask("v", "latest", 5 * MINUTE), Ask("w", "max", HOUR)
    reads = plan([short, long], USUAL_MS)
    assert (reads.raw_ms, reads.raw_fields) == (5 * MINUTE, ("v",))
    assert reads.answers.keys() == {long}


@pytest.mark.parametrize("aggregation", ["median", "p50", "p90", "p95", "p99", "stddev", "rate", "delta"])
def test_what_does_not_merge_is_read_one_by_one_however_long_and_takes_the_others_along(
    aggregation: str,
) -> None:
    reads = plan([Ask("v", aggregation, HOUR), Ask("v", "avg", HOUR)], USUAL_MS)
    assert (reads.raw_ms, reads.spans) == (HOUR, ())


def test_a_field_that_the_store_refused_is_read_one_by_one() -> None:
    asks = [Ask("up", "avg", HOUR), Ask("v", "avg", HOUR)]
    reads = plan(asks, USUAL_MS, refused={"up"})
    assert (reads.raw_ms, reads.spans) == (HOUR, ())
    assert "up" in reads.raw_fields


def test_an_earlier_window_is_a_span_of_its_own_and_what_lies_between_is_not_read() -> None:
    now, yesterday = Ask("v", "latest", 5 * MINUTE), Ask("v", "latest", 5 * MINUTE, DAY)
    reads = plan([now, yesterday], USUAL_MS)
    assert reads.raw_ms == 5 * MINUTE
    assert spans(reads) == [(DAY + 5 * MINUTE, DAY, (LATEST,))]


def test_windows_that_overlap_share_spans_so_that_no_point_is_read_twice() -> None:
    hours = [Ask("v", "max", n * HOUR) for n in (1, 6, 24)]
    reads = plan(hours, USUAL_MS)
    assert [span for span in spans(reads) if span[2] == (LATEST,)] == [
        (HOUR, 0, (LATEST,)),
        (6 * HOUR, HOUR, (LATEST,)),
        (24 * HOUR, 6 * HOUR, (LATEST,)),
    ]
    assert [len(reads.answers[ask]) for ask in hours] == [2, 4, 6]


def test_sparse_series_are_read_one_by_one_over_longer_windows() -> None:
    ask = Ask("v", "avg", HOUR)
    assert plan([ask], every_ms=10 * MINUTE).spans == ()
    assert plan([ask], every_ms=1000).raw_fields == ()


def test_fifty_windows_are_a_bounded_number_of_statements() -> None:
    for step in (MINUTE, HOUR, DAY):
        reads = plan([Ask("v", "avg", n * step) for n in range(1, 51)], USUAL_MS)
        assert len(reads.spans) <= MAX_PARTS
        assert max([reads.raw_ms, *(span.begins_ms for span in reads.spans)]) == 50 * step


def test_the_queries_have_absolute_bounds_and_the_groups_names() -> None:
    condition = threshold("v > 1", aggregation="avg", window_seconds=3600)
    (group,) = book([monitor_row(filter={"env": "prod"})], [rule_row(condition=condition)]).groups
    query = plan(asks_of(group), USUAL_MS).aggregates(group, EPOCH)
    assert (query.measurement, query.tags, query.where) == ("cpu", ("env", "host"), ({"env": "prod"},))
    assert {(part.start, part.stop) for part in query.parts} == {(EPOCH - HOUR, EPOCH)}


ASKS = st.builds(
    Ask,
    st.sampled_from("vwx"),
    st.sampled_from(["latest", "text", "count", "sum", "avg", "min", "max", "p95", "rate"]),
    st.integers(1, 200).map(lambda n: n * MINUTE),
    st.integers(0, 200).map(lambda n: n * MINUTE),
)


def test_the_same_rules_of_few_points_are_read_one_by_one_whatever_else_would_be_cheaper() -> None:
    ask = Ask("v", "latest", 5 * MINUTE)
    assert plan([ask], USUAL_MS).spans == ()
    assert plan([ask], USUAL_MS / 20).raw_fields == ()


@given(st.sets(ASKS, max_size=40), st.floats(1e3, 1e6), st.sets(st.sampled_from("vw")))
def test_every_ask_is_answered_from_its_whole_window_and_from_nothing_else(
    asks: set[Ask], every_ms: float, refused: set[str]
) -> None:
    reads = plan(asks, every_ms, refused)
    assert len(reads.spans) <= MAX_PARTS
    for ask in asks:
        if ask not in reads.answers:
            assert reads.raw_ms >= ask.before_ms + ask.window_ms
            assert ask.field in reads.raw_fields
            continue
        assert ask.field not in refused
        own = [reads.spans[place] for place in reads.answers[ask]]
        assert {span.field for span in own} == {ask.field}
        newest = [span for span in own if span.functions == (LATEST,)]
        assert _covered(newest) == (ask.before_ms, ask.before_ms + ask.window_ms)
        numbers = [span for span in own if span.functions != (LATEST,)]
        needed = {"avg": {"count", "sum"}, "latest": set(), "text": set()}.get(
            ask.aggregation, {ask.aggregation}
        )
        if needed:
            assert _covered(numbers) == _covered(newest)
            assert all(needed <= set(span.functions) for span in numbers)


def _covered(found: list[Span]) -> tuple[int, int]:
    """Begin and end of spans that lie side by side without a gap."""
    ordered = sorted(found, key=lambda span: span.ends_ms)
    for near, far in pairwise(ordered):
        assert near.begins_ms == far.ends_ms
    return ordered[0].ends_ms, ordered[-1].begins_ms
