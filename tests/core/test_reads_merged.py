"""Answers put together: several reads as one, and aggregates beside points."""

from shared.advance import Sight
from shared.columns import Samples
from shared.gathered import Gathered, Look
from shared.metrics.stack import stacked
from shared.model import Health
from shared.plan import QueryGroup
from shared.silences import Quiet
from tests.support.series import EPOCH, STEP, book, monitor_row, read, rows, rule_row, samples

STOP = EPOCH + 10 * STEP


def table(answer: Samples, name: str) -> list[object]:
    """The values of a field, row by row."""
    column = answer.fields[name]
    told = zip(column.present.tolist(), column.codes.tolist(), column.numbers.tolist(), strict=True)
    return [None if not here else column.texts[code] if code >= 0 else number for here, code, number in told]


def test_several_answers_are_one_with_their_tags_and_fields() -> None:
    first = samples([(1, {"a": "x"}, {"v": 1.0}), (2, {"a": "y"}, {"v": 2.0})], ["a"], ["v"])
    second = samples([(3, {"a": "z"}, {"w": "t"}), (4, {"a": "x"}, {"w": "u"})], ["a"], ["w"])
    both = stacked([first, second], ["a"], missing=["lost"])
    assert both.time.tolist() == [1, 2, 3, 4]
    assert [both.tags["a"].values[code] for code in both.tags["a"].codes] == ["x", "y", "z", "x"]
    assert table(both, "v") == [1.0, 2.0, None, None]
    assert table(both, "w") == [None, None, "t", "u"]
    assert table(both, "lost") == [None] * 4


def test_a_field_that_was_read_again_counts_once() -> None:
    first = samples([(2, {}, {"v": 2.0, "w": 5.0})], [], ["v", "w"])
    again = samples([(1, {}, {"v": 1.0}), (2, {}, {"v": 2.0})], [], ["v"])
    both = stacked([first, again], [])
    assert table(both, "v") == [None, 1.0, 2.0]
    assert table(both, "w") == [5.0, None, None]


def test_parts_of_a_window_follow_each_other_with_all_of_their_values() -> None:
    first = samples([(1, {"a": "x"}, {"v": 1.0}), (2, {"a": "y"}, {})], ["a"], ["v"])
    second = samples([(3, {"a": "y"}, {"v": "t"}), (4, {"a": "z"}, {"v": "u"})], ["a"], ["v"])
    third = samples([(5, {"a": "z"}, {"v": "u"})], ["a"], ["v"])
    parts = Samples.joined([first, second, third])
    assert parts.time.tolist() == [1, 2, 3, 4, 5]
    assert [parts.tags["a"].values[code] for code in parts.tags["a"].codes] == ["x", "y", "y", "z", "z"]
    assert (table(parts, "v"), parts.fields["v"].kind) == ([1.0, None, "t", "u", "u"], "mixed")


def test_no_answer_at_all_has_the_tags_and_no_rows() -> None:
    nothing = stacked([], ["a"], missing=["v"])
    assert (len(nothing), list(nothing.tags), list(nothing.fields)) == (0, ["a"], ["v"])


# ------------------------------------------------------------------ too many series, together


def spread() -> tuple[Gathered, list[QueryGroup]]:
    """A rule over two measurements, one series of each breaching, and a rule over one of them."""
    monitors = [monitor_row(name, measurement=name, labels={"team": "x"}) for name in ("cpu", "mem")]
    rules = [
        rule_row("all", monitor_id=None, selector={"labels": {"team": "x"}}),
        rule_row("cpu", monitor_id="mon_cpu"),
    ]
    made = book(monitors, rules)
    gathered = Gathered(made, {}, Quiet((), STOP))
    gathered.troubles.spread = made.spread
    return gathered, list(made.groups)


def look(gathered: Gathered, group: QueryGroup, series: int) -> None:
    points = rows({f"usage{{host=h{n}}}": "1x8 99" for n in range(series)})
    readings = read(group, points, STOP)
    gathered.troubles.looked(group, readings.unhealthy(), {})
    gathered.looks.append(Look(group, readings, set()))
    for i in readings.breaching():
        gathered.see(Sight(readings.rule_id(i), readings.series_id(i), readings.key(i), readings.reading(i)))


def test_a_rule_whose_series_are_too_many_in_all_measurements_together_is_left_out_and_says_so() -> None:
    gathered, groups = spread()
    for group in groups:
        look(gathered, group, 3)
    gathered.leave_out_crowded(5)
    seen = [(sight.rule_id, sight.key) for sight in gathered.sights.values() if sight.rule_id == "rule_all"]
    assert seen == [("rule_all", f'["mon_{name}",[["series","too many"]]]') for name in ("cpu", "mem")]
    health = gathered.troubles.now({})
    assert health == {"rule_all": (Health.ERROR, "6 series are more than one rule may have")}
    assert [one.left_out for one in gathered.looks] == [{"rule_all"}] * 2


def test_as_many_series_as_a_rule_may_have_are_not_too_many() -> None:
    gathered, groups = spread()
    for group in groups:
        look(gathered, group, 3)
    gathered.leave_out_crowded(6)
    assert {ref[0] for ref in gathered.sights} == {"rule_all", "rule_cpu"}
    assert gathered.troubles.now({}) == {}
