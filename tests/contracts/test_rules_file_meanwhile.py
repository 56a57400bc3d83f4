"""Rules in a file, while others change them: on both databases nothing of theirs is overwritten unseen."""

import pytest

from shared import manage
from shared.errors import Conflict
from shared.manage.rules_file import shown_time
from shared.model import Severity
from shared.store import rules
from shared.store.engine import Store
from shared.wiring import Wiring
from tests.support.rows import NOW
from tests.support.rules_file import applied, document, exported, fill, planned, said


@pytest.fixture
def filled(wiring: Wiring, store: Store) -> Wiring:
    return fill(wiring, store)


def test_what_somebody_changed_since_the_export_is_not_overwritten_unseen(
    filled: Wiring, store: Store
) -> None:
    file = document(filled)
    manage.update_rule(
        filled, "rule_btc", manage.changes_of_rule({"severity": "info"}), actor="mcp:bob", now=NOW + 2
    )
    file["rules"][1]["severity"] = "high"

    plan = planned(filled, file)
    assert plan.stale == (
        "rules[0] (rule_btc) was changed since the file was exported, by mcp:bob at 2023-11-14T22:13:20.002Z: "
        "version 1 in the file, 2 stored",
    )
    before = exported(filled)
    with pytest.raises(Conflict, match=r"rule_btc.*--force"):
        applied(filled, file)
    assert exported(filled) == before, "nothing else was written either"

    applied(filled, file, force=True)
    assert store.read(lambda tx: rules.get(tx, "rule_btc")).severity is Severity.WARNING


def test_what_a_file_changed_follows_the_file_without_a_new_export(filled: Wiring) -> None:
    file = document(filled)
    for number, value in enumerate((1, 2, 3)):
        file["rules"][0]["condition"]["value"] = value
        assert len(applied(filled, file, now=NOW + 10 + number).changes) == 1

    assert document(filled)["rules"][0]["version"] == 4


def test_what_was_deleted_since_comes_back_by_force_only(filled: Wiring, store: Store) -> None:
    file = document(filled)
    manage.delete_rule(filled, "rule_low", actor="test", now=NOW + 1)

    assert planned(filled, file).stale == (
        "rules[1] (rule_low) was deleted since the file was exported, by test at 2023-11-14T22:13:20.001Z",
    )
    with pytest.raises(Conflict, match="was deleted since"):
        applied(filled, file)
    assert said(applied(filled, file, force=True)) == [("added", "rule", "Bitcoin low")]
    assert store.read(lambda tx: rules.get(tx, "rule_low")).version == 3


def test_what_a_file_removed_comes_back_with_a_file_that_has_it(filled: Wiring) -> None:
    whole, without = document(filled), document(filled)
    del without["rules"][1]
    applied(filled, without, prune=True)

    assert said(applied(filled, whole, now=NOW + 9)) == [("added", "rule", "Bitcoin low")]


def test_a_silence_that_was_ended_stays_so_and_the_file_is_only_behind(filled: Wiring) -> None:
    file = document(filled)
    manage.end_silence(filled, file["silences"][0]["id"], actor="test", now=NOW + 1)
    file["silences"].append(
        {"at_least": "info", "ends_at": shown_time(NOW), "reason": "Long ago", "starts_at": shown_time(5)}
    )

    plan = applied(filled, file)

    assert plan.changes == ()
    assert plan.notes == (
        "silences[0] is over already: take it out of the file",
        "silences[1] is over already: take it out of the file",
    )


def test_what_was_agreed_to_is_what_is_written(filled: Wiring) -> None:
    file = document(filled)
    file["rules"][0]["severity"] = "high"
    seen = planned(filled, file)
    file["rules"][1]["severity"] = "high"

    with pytest.raises(Conflict, match="something was changed just now"):
        applied(filled, file, seen=seen)
