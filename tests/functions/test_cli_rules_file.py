"""`tocsin rules export`, `rules apply`, `templates` and `stats` as people and pipelines use them."""

import io
import sys
from pathlib import Path

import pytest

from tests.support.cli import Tocsin
from tests.support.manage import wiring
from tests.support.rows import NOW, add_alert


@pytest.fixture
def file(filled: Tocsin, tmp_path: Path) -> Path:
    """An export of one monitor and one rule."""
    path = tmp_path / "rules.yaml"
    assert filled("rules", "export", str(path)).out == f"Wrote {path}.\n"
    return path


def test_an_export_goes_to_the_terminal_or_to_a_file(filled: Tocsin, file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert filled("rules", "export").out == text
    assert text.startswith("# Monitors, rules and silences of Tocsin, for `tocsin rules apply`.\n")
    assert "  - id: rule_btc\n    version: 1\n    title: Bitcoin high\n    monitor: Bitcoin\n" in text


def test_applying_an_export_says_that_nothing_is_different(filled: Tocsin, file: Path) -> None:
    ran = filled("rules", "apply", str(file))

    assert (ran.status, ran.out, ran.err) == (0, "Nothing is different.\n", "")


def test_a_dry_run_shows_what_would_change_and_a_pipeline_gets_a_status(filled: Tocsin, file: Path) -> None:
    changed = file.read_text(encoding="utf-8").replace("value: 60000", "value: 70000")
    file.write_text(changed, encoding="utf-8")

    dry = filled("rules", "apply", str(file), "--dry-run")
    assert (dry.status, dry.out) == (
        0,
        "~ rule Bitcoin high (rule_btc)\n    condition.value: 60000 → 70000\n1 changed; 1 as they are.\n",
    )
    assert filled("rules", "apply", str(file), "--dry-run", "--exit-code").status == 3
    assert filled("rules", "apply", str(file), "--dry-run", "--json").json()["changes"] == [
        {
            "kind": "rule",
            "how": "changed",
            "name": "Bitcoin high",
            "fields": [{"field": "condition.value", "old": 60_000, "new": 70_000}],
            "id": "rule_btc",
        }
    ]

    asked = filled("rules", "apply", str(file))
    assert asked.status == 2
    assert "--yes is missing; nobody is there to ask" in asked.err
    done = filled("rules", "apply", str(file), "--yes")
    assert (done.status, done.out.splitlines()[-1]) == (0, "Applied: 1 changed.")
    assert filled("rules", "apply", str(file), "--dry-run", "--exit-code").status == 0
    assert "price > 70000" in filled("rules", "list").out


def test_what_a_person_declines_is_not_written(
    filled: Tocsin, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    file.write_text("schema: 1\n", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))

    ran = filled("rules", "apply", str(file), "--prune")

    assert ran.status == 1
    assert (
        "- monitor Bitcoin (mon_btc)\n- rule Bitcoin high (rule_btc)\n2 removed; 0 as they are.\n" in ran.out
    )
    assert "Bitcoin high" in filled("rules", "list").out


def test_a_file_can_come_through_a_pipe(filled: Tocsin, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.TextIOWrapper(io.BytesIO(b"schema: 1\nmonitors:\n- {name: Ether, measurement: coin}\n"))
    monkeypatch.setattr(sys, "stdin", given)

    assert (
        filled("rules", "apply", "-", "--yes").out
        == "+ monitor Ether\n1 added; 0 as they are.\nApplied: 1 added.\n"
    )


def test_every_problem_of_a_file_is_said_and_the_status_is_2(filled: Tocsin, file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("value: 60000", "value: high")
    broken = text.replace("silences: []", "silences:\n  - {reason: x, at_last: info}")
    file.write_text(broken, encoding="utf-8")

    ran = filled("rules", "apply", str(file), "--yes")

    assert ran.status == 2
    assert "Error: silences[0].at_last: 'info' is not valid" in ran.err
    assert "Did you mean 'at_least'?" in ran.err
    assert "Error: rules[0].condition.operator: '>' is not valid" in ran.err
    assert ran.err.endswith("Error: Nothing was changed.\n")
    assert "price > 60000" in filled("rules", "list").out


def test_what_was_changed_since_is_said_with_what_to_do(filled: Tocsin, file: Path) -> None:
    filled("rules", "edit", "Bitcoin high", "--severity", "high")

    ran = filled("rules", "apply", str(file), "--yes")

    assert ran.status == 2
    assert "rules[0] (rule_btc) was changed since the file was exported, by cli:" in ran.err
    assert ran.err.endswith("Export again and repeat your change, or overwrite theirs with --force.\n")
    assert filled("rules", "apply", str(file), "--yes", "--force").status == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "it can't be read: No such file"),
        (b"\xff", "it is no UTF-8"),
        (b"a: [", "it is no YAML: line 2"),
    ],
)
def test_a_file_that_can_not_be_read_is_one_error(
    tocsin: Tocsin, tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "f.yaml").write_bytes(content)

    ran = tocsin("rules", "apply", str(tmp_path / "f.yaml"))

    assert ran.status == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_an_export_that_can_not_be_written_leaves_nothing_behind(filled: Tocsin, tmp_path: Path) -> None:
    ran = filled("rules", "export", str(tmp_path / "no" / "such" / "folder.yaml"))

    assert ran.status == 2
    assert "it can't be written: No such file or directory" in ran.err


# ------------------------------------------------------------------ templates


def test_a_rule_comes_from_a_template_in_one_command(tocsin: Tocsin, tmp_path: Path) -> None:
    one = wiring(tmp_path)
    one.metrics().write(b"coin price=61000 1700000000\ndisk,path=/ used_percent=40 1700000000", precision="s")
    one.close()
    tocsin("monitors", "add", "Disk", "-m", "disk", "--key", "path")
    tocsin("monitors", "add", "Coin", "-m", "coin")

    made = tocsin(
        "rules", "add", "--template", "disk-full", "--monitor", "Disk", "--severity", "info", "--json"
    )
    assert (made.json()["title"], made.json()["severity"]) == ("Disk nearly full: Disk", "info")
    assert made.json()["condition"]["field"] == "used_percent"

    asked = tocsin("rules", "add", "--template", "crypto-price-above", "--monitor", "Coin")
    assert "condition.value is missing; give the price above which people are told" in asked.err
    priced = tocsin(
        *("rules", "add", "Too dear", "--template", "crypto-price-above", "--monitor", "Coin"),
        *("--set", "value=70000", "--json"),
    ).json()
    assert (priced["title"], priced["condition"]["value"]) == ("Too dear", 70_000)

    unfit = tocsin("rules", "add", "--template", "website-down", "--monitor", "Coin")
    assert "it does not fit this monitor: it needs a field is_up or result_code" in unfit.err
    assert "it changes the condition of a --template" in tocsin("rules", "add", "X", "--set", "value=1").err
    assert "TITLE is missing" in tocsin("rules", "add", "--monitor", "Disk").err


def test_templates_are_listed_for_a_monitor_with_why_others_do_not_fit(filled: Tocsin) -> None:
    shown = filled("templates", "list").out
    assert "crypto-price-above" in shown
    assert "you give value" in shown
    # The monitor has no points, and so no fields yet.
    fitting = filled("templates", "list", "--monitor", "Bitcoin").out
    assert "No template fits Bitcoin." in fitting
    assert "no field of the monitor is known yet" in fitting
    assert "Disk nearly full" in filled("templates", "show", "disk-full").out
    assert "Did you mean 'disk-full'?" in filled("templates", "show", "disk-ful").err


# ------------------------------------------------------------------ statistics


def test_statistics_show_noise_answers_and_silence(filled: Tocsin, tmp_path: Path) -> None:
    one = wiring(tmp_path)
    for number in range(3):
        add_alert(
            one.store,
            f"alert_{number}",
            phase="ok",
            fired_at=NOW,
            acked_at=NOW + 90_000,
            resolved_at=NOW + 120_000,
        )
    one.close()
    filled("rules", "add", "Quiet", "--monitor", "Bitcoin", "--when", "price < 5")

    ran = filled("stats", "--since", "2023-11-10T00:00+00:00", "--until", "2023-11-15T00:00+00:00")

    assert (ran.status, ran.err) == (0, "")
    assert "3: 3 high" in ran.out
    assert "half within 1.5 min, nine of ten within 1.5 min" in ran.out
    assert "half within 2 min" in ran.out
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert "Tue 2023-11-14 3 3 high" in lines
    assert "Bitcoin high 3 100% 3 3" in lines
    assert [line for line in lines if line.startswith("Quiet ok")]
    assert filled("stats", "--since", "91d").status == 2
    assert filled("stats", "--json").json()["alerts"] == 0
