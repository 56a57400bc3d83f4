"""Creating a rule is safe to repeat: with a key for ever, without one within a minute."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shared import manage
from shared.errors import Conflict, InvalidInput
from shared.wiring import Wiring
from tests.support.manage import ABOVE, NOW, add_monitor, wiring


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[Wiring]:
    made = wiring(tmp_path)
    add_monitor(made)
    yield made
    made.close()


def once(ports: Wiring, key: str = "", now: int = NOW, **given: Any) -> tuple[str, bool]:
    draft = manage.draft_rule({"title": "High", "monitor": "Bitcoin", "condition": ABOVE, **given})
    written, known = manage.create_rule_once(ports, draft, key=key, actor="test", now=now)
    return written.rule.id, known


def test_the_very_same_rule_within_a_minute_is_the_first_one(ports: Wiring) -> None:
    first, known = once(ports)

    assert known is False
    assert once(ports, now=NOW + 59_999) == (first, True)
    assert once(ports, monitor="mon_btc") == (first, True), "the same monitor by another name"
    assert once(ports, severity="high")[1] is False
    assert once(ports, now=NOW + 60_000)[1] is False


def test_a_rule_that_was_changed_or_deleted_since_is_not_the_first_one_any_more(ports: Wiring) -> None:
    first, _ = once(ports)
    manage.update_rule(ports, first, manage.changes_of_rule({"severity": "high"}), actor="test", now=NOW + 1)
    second, known = once(ports, now=NOW + 2)
    assert known is False
    manage.delete_rule(ports, second, actor="test", now=NOW + 3)

    assert once(ports, now=NOW + 4)[1] is False


def test_a_key_makes_one_rule_however_late_it_is_repeated_and_whatever_became_of_it(ports: Wiring) -> None:
    first, known = once(ports, "key")
    assert known is False
    changes = manage.changes_of_rule({"title": "Higher", "severity": "critical"})
    manage.update_rule(ports, first, changes, actor="test", now=NOW + 1)

    assert once(ports, "key", NOW + 10**9) == (first, True)
    assert once(ports, "other", NOW + 10**9)[1] is False


def test_a_key_that_was_used_for_another_rule_is_refused(ports: Wiring) -> None:
    first, _ = once(ports, "key")

    with pytest.raises(InvalidInput, match=f"it was used for another rule, {first}"):
        once(ports, "key", severity="high")
    manage.delete_rule(ports, first, actor="test", now=NOW + 1)
    with pytest.raises(Conflict, match="was deleted since"):
        once(ports, "key")
    assert manage.list_rules(ports).items == ()


@pytest.mark.parametrize("key", ["", "key"])
def test_many_who_ask_the_same_at_the_same_moment_get_one_rule(ports: Wiring, key: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: once(ports, key), range(16)))

    assert len({rule_id for rule_id, _ in made}) == 1
    assert sorted(known for _, known in made) == [False] + [True] * 15
