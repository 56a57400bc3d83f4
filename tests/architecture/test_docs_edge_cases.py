"""docs/edge-cases.md names tests that exist, in a complete list."""

import re

from tests.support import docs
from tests.support.docs import ROOT

PAGE = "docs/edge-cases.md"
NOT_BUILT = {35}


def cases() -> dict[int, set[str]]:
    """Number of the case → its tests."""
    lines = re.findall(r"^\| (\d+)\. (.*)\|$", docs.text_of(PAGE), re.MULTILINE)
    return {int(number): set(re.findall(r"`(test_\w+)`", rest)) for number, rest in lines}


def test_every_edge_case_has_a_test_or_says_that_it_is_not_built() -> None:
    assert sorted(cases()) == list(range(1, 45))
    assert {number for number, tests in cases().items() if not tests} == NOT_BUILT


def test_every_test_that_stands_for_an_edge_case_exists() -> None:
    existing = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert set().union(*cases().values()) - existing == set()
