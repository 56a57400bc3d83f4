"""The use cases on monitors: what they check, what they write, what they say. On a real SQLite file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import manage
from shared.errors import InvalidInput
from shared.wiring import Wiring
from tests.support.manage import NOW, add_monitor, add_rule, revision, written
from tests.support.manage import wiring as made


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    one = made(tmp_path)
    yield one
    one.close()


def test_a_monitor_is_stored_with_who_made_it(wiring: Wiring) -> None:
    added = add_monitor(wiring, where={"coin": ["btc", "eth"]}, key=["coin"])

    assert added.warnings == ()
    assert manage.get_monitor(wiring, "bitcoin") == (added.monitor, [])
    row = written(wiring)[0]
    assert (row.actor, row.action, row.object, row.at, row.before) == (
        "test",
        "monitor.create",
        "mon_btc",
        NOW,
        None,
    )
    assert json.loads(row.after or "")["where"] == {"coin": ["btc", "eth"]}


def test_two_monitors_never_have_one_name(wiring: Wiring) -> None:
    add_monitor(wiring)
    with pytest.raises(InvalidInput, match="another monitor has this name"):
        add_monitor(wiring, " Bitcoin ", monitor_id="mon_other")

    assert [monitor.id for monitor in manage.list_monitors(wiring).items] == ["mon_btc"]
    assert len(written(wiring)) == 1


def test_the_fields_of_a_monitor_are_looked_up_when_they_are_not_given(wiring: Wiring) -> None:
    wiring.metrics().write(b"coin,symbol=btc price=1.5,open=true 1700000000", precision="s")

    added = add_monitor(wiring, fields=None, key=["symbol"])
    assert added.monitor.fields.keys() == {"price", "open"}
    assert added.warnings == ()


def test_a_monitor_without_points_yet_or_with_an_unknown_tag_is_stored_with_a_warning(wiring: Wiring) -> None:
    assert "no points yet" in add_monitor(wiring, fields=None).warnings[0]
    wiring.metrics().write(b"coin,symbol=btc price=1.5 1700000000", precision="s")
    tagged = add_monitor(wiring, "other", fields=None, monitor_id=None, key=["simbol"])

    assert "has no tag 'simbol'; its tags are symbol" in tagged.warnings[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"name": "x" * 201},
        {"name": "a\nb"},
        {"measurement": ""},
        {"key": ["a", "a"]},
        {"key": [""]},
        {"where": {"": "x"}},
        {"where": {"coin": []}},
        {"kind": "k" * 65},
        {"database": "d" * 201},
        {"source": "other"},
        {"labels": {"a": "b" * 201}},
        {"monitor_id": "btc"},
        {"fields": {"price": 5}},
    ],
)
def test_a_monitor_that_can_not_be_is_refused_and_nothing_is_written(
    wiring: Wiring, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        add_monitor(wiring, **wrong)

    assert (written(wiring), revision(wiring)) == ((), 0)


def test_a_monitor_that_a_rule_needs_stays(wiring: Wiring) -> None:
    add_monitor(wiring)
    add_rule(wiring)
    with pytest.raises(InvalidInput, match=r"rules need it: 'Bitcoin high'"):
        manage.delete_monitor(wiring, "Bitcoin", actor="test", now=NOW)
    manage.delete_rule(wiring, "rule_btc", actor="test", now=NOW)
    manage.delete_monitor(wiring, "Bitcoin", actor="test", now=NOW)

    assert manage.list_monitors(wiring).items == ()
    assert [row.action for row in written(wiring)].count("monitor.delete") == 1


def test_what_the_metric_store_holds_is_suggested_with_what_reads_it_already(wiring: Wiring) -> None:
    wiring.metrics().write(
        b"coin,symbol=btc price=1.5 1700000000\ncpu,host=a usage_active=5 1700000000", precision="s"
    )
    add_monitor(wiring)

    found = {one.proposal.measurement: one for one in manage.discover_monitors(wiring)}
    assert found["coin"].covered_by == ("Bitcoin",)
    assert found["cpu"].covered_by == ()
    assert found["cpu"].proposal.key == ("host",)
