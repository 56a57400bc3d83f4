"""Conditions for hypothesis: valid ones of every type, and one plain instance of each."""

from typing import Any

from hypothesis import strategies as st

from shared.conditions._aggregations import AGGREGATIONS

Condition = dict[str, Any]

PLAIN: dict[str, Condition] = {
    "threshold": {"type": "threshold", "field": "a", "operator": ">", "value": 2},
    "absence": {"type": "absence", "field": "a"},
    "change": {"type": "change", "field": "a", "operator": ">", "value": 5, "unit": "percent"},
    "all": {
        "type": "all",
        "conditions": [{"type": "absence", "field": "a"}, {"type": "absence", "field": "b"}],
    },
    "any": {
        "type": "any",
        "conditions": [{"type": "absence", "field": "a"}, {"type": "absence", "field": "b"}],
    },
}
"""One of each type; a test holds this against the folder."""

FIELDS = st.sampled_from(["a", "b"])
WINDOWS = st.sampled_from([30, 60, 90, 300])
_ORDER = st.sampled_from([">", "<", ">=", "<="])
_TIMING = st.fixed_dictionaries(
    {}, optional={"for_seconds": st.integers(0, 120), "keep_firing_seconds": st.integers(0, 120)}
)
_NO_DATA = st.fixed_dictionaries({}, optional={"no_data": st.sampled_from(["keep", "alert", "ok"])})


@st.composite
def limits(draw: st.DrawFn) -> Condition:
    """Operator and value, perhaps with a recovery value or a level farther out."""
    operator, value = draw(_ORDER), draw(st.integers(0, 4))
    out = 1 if operator[0] == ">" else -1
    made: Condition = {"operator": operator, "value": value}
    if draw(st.booleans()):
        made["recovery_value"] = value - out * draw(st.integers(0, 2))
    if draw(st.booleans()) and value + out >= 0:
        made["levels"] = [{"severity": draw(st.sampled_from(["high", "critical"])), "value": value + out}]
    return made


@st.composite
def thresholds(draw: st.DrawFn) -> Condition:
    """Of numbers, by any aggregation; or equality with a number, a text, a boolean."""
    made: Condition = {"type": "threshold", "field": draw(FIELDS), "window_seconds": draw(WINDOWS)}
    if draw(st.integers(0, 3)) == 0:
        word = draw(st.sampled_from(["x", "y", True, False, 0, 3]))
        return made | {"operator": draw(st.sampled_from(["==", "!="])), "value": word}
    made |= draw(limits()) | {"aggregation": draw(st.sampled_from(sorted(AGGREGATIONS)))}
    if made["aggregation"] == "latest" and draw(st.booleans()):
        made["max_age_seconds"] = draw(WINDOWS)
    return made


@st.composite
def changes(draw: st.DrawFn) -> Condition:
    """Of any unit, direction and aggregation."""
    return draw(limits()) | {
        "type": "change",
        "field": draw(FIELDS),
        "window_seconds": draw(WINDOWS),
        "compare_seconds": draw(WINDOWS),
        "unit": draw(st.sampled_from(["absolute", "percent"])),
        "direction": draw(st.sampled_from(["either", "up", "down"])),
        "aggregation": draw(st.sampled_from(sorted(AGGREGATIONS))),
    }


def absences() -> st.SearchStrategy[Condition]:
    """Of any window."""
    return st.builds(lambda f, w: {"type": "absence", "field": f, "window_seconds": w}, FIELDS, WINDOWS)


def plain_parts() -> st.SearchStrategy[Condition]:
    """What may stand in `all` and `any` on the innermost level."""
    return st.one_of(thresholds(), changes(), absences())


def combinations(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    """`all` or `any` of these."""
    return st.builds(
        lambda name, inner: {"type": name, "conditions": inner},
        st.sampled_from(["all", "any"]),
        st.lists(parts, min_size=2, max_size=4),
    )


def parts() -> st.SearchStrategy[Condition]:
    """What may stand in `all` and `any`."""
    return st.one_of(plain_parts(), combinations(plain_parts()))


def whole() -> st.SearchStrategy[Condition]:
    """Any condition, with the keys that only a whole one has."""
    return st.one_of(
        st.builds(
            lambda made, timing, silence: made | timing | (silence if made["type"] != "absence" else {}),
            st.one_of(plain_parts(), combinations(parts())),
            _TIMING,
            _NO_DATA,
        )
    )
