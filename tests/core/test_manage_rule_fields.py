"""A rule on a field that its monitor is not known to have is stored, with a warning, whatever its condition's type."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.wiring import Wiring
from tests.support.manage import add_monitor, add_rule
from tests.support.manage import wiring as made


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    one = made(tmp_path)
    yield one
    one.close()


@pytest.mark.parametrize(
    "condition",
    [
        {"type": "absence", "field": "prise"},
        {"type": "change", "field": "prise", "operator": ">", "value": 5},
        {"type": "any", "conditions": [
            {"type": "absence", "field": "volume"},
            {"type": "all", "conditions": [
                {"type": "threshold", "field": "price", "operator": ">", "value": 1},
                {"type": "threshold", "field": "prise", "operator": ">", "value": 1}]}]},
    ],
    ids=lambda condition: str(condition["type"]),
)  # fmt: skip
def test_a_field_that_the_monitor_does_not_have_is_warned_of(
    wiring: Wiring, condition: dict[str, Any]
) -> None:
    add_monitor(wiring)
    warnings = add_rule(wiring, condition=condition, channels=["team"]).warnings
    assert [text for text in warnings if "field" in text] == [
        "monitor 'Bitcoin' is not known to have a field 'prise'; it has price, volume. Did you mean 'price'?"
    ]
