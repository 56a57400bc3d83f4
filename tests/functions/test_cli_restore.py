"""`tocsin rules restore`: a rule that was deleted is there again."""

from tests.support.cli import Tocsin


def test_a_deleted_rule_is_brought_back_by_its_title(filled: Tocsin) -> None:
    filled("rules", "delete", "Bitcoin high")
    assert filled("rules", "list", "--json").json()["items"] == []

    assert filled("rules", "restore", "Bitcoin high").out == "Rule rule_btc is there again: Bitcoin high\n"
    (rule,) = filled("rules", "list", "--json").json()["items"]
    assert (rule["rule"]["id"], rule["rule"]["version"]) == ("rule_btc", 3)


def test_a_rule_that_was_never_there_can_not_be_brought_back(filled: Tocsin) -> None:
    ran = filled("rules", "restore", "No such rule")

    assert ran.status == 2
    assert "give its id, or its title exactly as it was" in ran.err
