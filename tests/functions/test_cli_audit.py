"""`tocsin audit` as people type it."""

from tests.support.cli import Tocsin


def test_the_audit_shows_who_changed_what_and_what_was_different(filled: Tocsin) -> None:
    filled("rules", "edit", "Bitcoin high", "--severity", "critical")
    filled("rules", "delete", "Bitcoin high")
    shown = " ".join(filled("audit").out.split())
    rows = filled("audit", "--json").json()["items"]

    assert "rules edit rule.update" in shown
    assert "severity:" in shown
    assert "→ critical" in shown
    assert [row["action"] for row in rows][:2] == ["rule.delete", "rule.update"]
    assert rows[0]["before"]["severity"] == "critical"
    assert rows[0]["after"] is None
    (changed,) = [row for row in rows if row["action"] == "rule.update"]
    about = filled("audit", changed["object"], "--json").json()["items"]
    assert {row["object"] for row in about} == {changed["object"]}
    assert filled("audit", "rule_nothing").out == "Nothing of that id was changed.\n"


def test_a_long_audit_goes_by_pages(filled: Tocsin) -> None:
    for severity in ("critical", "info", "high"):
        filled("rules", "edit", "Bitcoin high", "--severity", severity)
    first = filled("audit", "--limit", "2", "--json").json()
    second = filled("audit", "--limit", "2", "--cursor", first["cursor"], "--json").json()

    assert len({row["id"] for page in (first, second) for row in page["items"]}) == 4
    assert f"--cursor {first['cursor']}" in filled("audit", "--limit", "2").out
