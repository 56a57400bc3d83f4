"""Charts as drawings: what is in them, what can't break them, and that a message never waits for one."""

import re
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.channels import _chart
from shared.channels._chart import picture
from shared.channels._chart_svg import svg
from shared.channels._message import Message
from shared.charted import Charted, Points
from tests.support.channels import message_of
from tests.support.deliveries import SLOT, alert, notification
from tests.support.processes import ROOT
from tests.support.series import values

ZONE = "Europe/Berlin"
CONDITION = {"type": "threshold", "field": "usage", "operator": ">", "value": 90}


def points(notation: str, step: int = 30_000) -> Points:
    return tuple(
        (SLOT - (40 - i) * step, float(value))
        for i, value in enumerate(values(notation))
        if value is not None
    )


def told(made: Sequence[tuple[int, float]], condition: dict[str, object] = CONDITION) -> Message:
    worst = alert(1, value=97.25).model_copy(update={"points": tuple(made), "series": "host=a"})
    return message_of(notification(alerts=[worst, alert(2)], rule={"condition": condition}))


def texts(drawing: str) -> str:
    return " ".join(ElementTree.fromstring(drawing).itertext())


def test_a_chart_says_its_numbers_its_threshold_and_the_zones_time() -> None:
    made = picture(told(points("60+1x39")), ZONE)
    assert made is not None
    assert made.png.startswith(b"\x89PNG")
    assert struct.unpack(">II", made.png[16:24]) == (900, 300)
    assert made.alt.startswith("Chart of usage, 2")
    assert made.alt.endswith("lowest 60, highest 99, last 99; threshold > 90")
    assert made.caption == "host=a · usage"


def test_the_drawing_marks_limits_extremes_and_the_clock_of_the_zone() -> None:
    drawing = svg(points("60+1x39"), Charted("usage", ">", (90.0, 95.0)), "Asia/Kolkata", SLOT - 300_000)
    words = texts(drawing)
    assert {"> 90", "> 95"} <= set(re.findall(r"> \d+", words))
    assert "last 99 lowest 60 highest 99" in re.sub(r"\s+", " ", words)
    assert "+05:30" in words
    assert 'fill-opacity="0.22"' in drawing, "what breaches is filled"


def test_what_does_not_breach_is_not_filled_and_change_has_no_line() -> None:
    assert 'fill-opacity="0.22"' not in svg(points("60x9"), Charted("usage", ">", (90.0,)), ZONE)
    assert "stroke-dasharray" not in svg(points("60 99 60"), Charted("usage"), ZONE)


@pytest.mark.parametrize(("operator", "breaching"), [(">", "95x3"), ("<", "5x3"), (">=", "1 99 1")])
def test_each_side_of_a_limit_can_be_the_bad_one(operator: str, breaching: str) -> None:
    drawing = svg(points(breaching), Charted("usage", operator, (50.0,)), ZONE)
    assert 'fill-opacity="0.22"' in drawing


def test_a_gap_is_not_bridged() -> None:
    whole = svg(points("1 2x9 3"), Charted("usage"), ZONE)
    broken = svg(points("1 2x5 _x9 2x5 3"), Charted("usage"), ZONE)
    assert [drawing.count("M") for drawing in (whole, broken)] == [1, 2]


def test_the_same_points_make_the_same_bytes() -> None:
    first, second = (picture(told(points("1 5 2 8")), ZONE) for _ in range(2))
    assert first == second
    assert first is not None


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.integers(min_value=1, max_value=_chart.LATEST_MS - 1)


@given(
    st.dictionaries(TIMES, NUMBERS, min_size=2, max_size=30),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.lists(NUMBERS, max_size=3).map(lambda found: tuple(sorted(found))),
)
@example({1: 1.7e308, 2: -1.7e308, 3: 0.0}, ">", (1.7e308,))
@example({1: 5e-324, 2: 0.0}, "<", (5e-324,))
@example({1: 1e17, 2: 1e17 + 16}, ">", (1e17,))
def test_any_numbers_make_a_drawing(
    found: dict[int, float], operator: str, limits: tuple[float, ...]
) -> None:
    drawing = svg(tuple(sorted(found.items())), Charted("f", operator, limits), ZONE)
    ElementTree.fromstring(drawing)
    assert not re.search(r"nan|inf", drawing.replace("tocsin", ""))
    places = [float(n) for n in re.findall(r'(?:x1|x2|y1|y2|cx|cy)="([^"]+)"', drawing)]
    assert all(-1 <= place <= 601 for place in places)


def test_hostile_texts_are_in_the_words_and_never_in_the_drawing() -> None:
    field = '</text><script>alert("x")</script>&\u202e'
    operator = '>"/><image href="file:///etc/passwd"/>'
    condition = {**CONDITION, "field": field, "operator": operator}
    shown = Charted(field, operator, (3.0,))
    drawing = svg(points("1 5"), shown, ZONE)
    assert not re.search("script|image|passwd", drawing)
    ElementTree.fromstring(drawing)
    made = picture(told(points("1 5"), condition), ZONE)
    assert made is not None
    assert "\u202e" not in made.alt + made.caption


@pytest.mark.parametrize(
    "made", [(), ((SLOT, 1.0),), ((SLOT, 1.0), (SLOT + 1, float("nan"))), ((-5, 1.0), (10**17, 2.0))],
    ids=["none", "one", "nan", "beyond the calendar"],
)  # fmt: skip
def test_what_can_not_be_drawn_is_no_chart(made: Points) -> None:
    assert picture(told(made), ZONE) is None


def test_texts_and_absences_have_no_chart() -> None:
    assert picture(told(points("1 5"), {"type": "absence", "field": "usage"}), ZONE) is None
    assert picture(told(points("1 5"), {**CONDITION, "operator": "==", "value": "on"}), ZONE) is None


def test_without_its_font_there_is_no_chart_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_chart, "_FONT", Path("/nowhere.ttf"))
    assert picture(told(points("1 5")), ZONE) is None
    assert "its font is missing" in caplog.text


def test_without_its_renderer_there_is_no_chart(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert picture(told(points("1 5")), ZONE) is None
    assert "its renderer can't be imported" in caplog.text


def test_the_renderer_is_not_loaded_before_the_first_chart() -> None:
    code = "import sys, shared.channels._chart as c; sys.exit(int(bool({'resvg_py', 'numpy'} & set(sys.modules))))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=30).returncode == 0
