"""`tocsin doctor`: a report that people and programs can read, on whatever machine it is run."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Ran, Tocsin, program

KUBECTL = """#!{python}
import json, sys
open({asked!r}, "w").write(json.dumps(sys.argv[1:]))
sys.stderr.write({stderr!r})
sys.stdout.write({stdout!r})
sys.exit({status})
"""


def item(kind: str, name: str, **ready: str) -> dict[str, Any]:
    """An object with its Ready condition; without one its controller has not seen it."""
    conditions = [{"type": "Active", "status": "True"}, {"type": "Ready", **ready}] if ready else []
    return {"kind": kind, "metadata": {"name": name}, "status": {"conditions": conditions}}


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a kubectl on PATH that answers what it is told; gives back where it writes what it was asked."""

    def put(items: list[Mapping[str, Any]] | None = None, stderr: str = "", status: int = 0) -> Path:
        folder, asked = tmp_path / "programs", tmp_path / "asked.json"
        folder.mkdir(exist_ok=True)
        stdout = "" if items is None else json.dumps({"kind": "List", "items": items})
        text = KUBECTL.format(
            python=sys.executable, asked=str(asked), stderr=stderr, stdout=stdout, status=status
        )
        (folder / "kubectl").write_text(text, encoding="utf-8")
        (folder / "kubectl").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return asked

    return put


def findings(ran: Ran) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for one in ran.json():
        found.setdefault(one["check"], []).append(one)
    return found


READY = {"status": "True"}


def test_a_fresh_machine_has_warnings_and_no_failure_and_stays_as_it_is(tmp_path: Path) -> None:
    ran = program("doctor", "--json", cwd=tmp_path, PATH="")

    found = findings(ran)
    assert ran.status == 0
    assert ran.err == ""
    assert found["database"][0]["verdict"] == "warn"
    assert found["knative"] == [
        {"check": "knative", "verdict": "skipped", "said": "kubectl is not installed here", "fix": ""}
    ]
    assert list(tmp_path.iterdir()) == []


def test_the_report_fits_the_terminal_and_ends_with_a_count(filled: Tocsin, kubectl: Any) -> None:
    kubectl([])

    ran = filled("doctor")

    lines = ran.out.splitlines()
    assert ran.status == 1  # there is a rule, and nothing evaluates it
    assert max(map(len, lines)) <= 80
    assert any("no tick was ever recorded" in line for line in lines)
    assert any(line.strip().startswith("→ See whether the PingSource") for line in lines)
    assert lines[-1].endswith(" skipped.")


def test_knative_objects_that_are_not_ready_fail_with_the_cluster_s_words(
    tocsin: Tocsin, kubectl: Any
) -> None:
    asked = kubectl(
        [
            item("Service", "evaluate", **READY),
            item("Service", "notify-slack", status="False", reason="RevisionFailed", message="no image"),
            item("Broker", "tocsin", **READY),
            item("Trigger", "notify-slack", status="Unknown"),
            item("PingSource", "tick"),
        ]
    )

    ran = tocsin("doctor", "--json", "--namespace", "alerts")

    said = [one["said"] for one in findings(ran)["knative"]]
    assert ran.status == 1
    assert said == [
        "Service notify-slack is not Ready: RevisionFailed: no image",
        "Trigger notify-slack is not Ready: Ready is Unknown",
        "PingSource tick is not Ready: its controller has said nothing about it yet",
    ]
    command = json.loads(asked.read_text(encoding="utf-8"))
    assert command[0] == "get"
    assert "alerts" in command
    assert "secret" not in " ".join(command).lower()


@pytest.mark.parametrize(
    ("stderr", "verdict", "said"),
    [
        ("Unable to connect to the server: dial tcp: timeout", "skipped", "no cluster with Knative answers"),
        ("error: the server doesn't have a resource type", "skipped", "doesn't have a resource type"),
        ("Error from server (Forbidden): services is forbidden", "fail", "kubectl may not look"),
    ],
)
def test_a_cluster_that_does_not_answer_is_none_and_one_that_refuses_is_a_failure(
    tocsin: Tocsin, kubectl: Any, stderr: str, verdict: str, said: str
) -> None:
    kubectl(stderr=stderr, status=1)

    (found,) = findings(tocsin("doctor", "--json"))["knative"]

    assert found["verdict"] == verdict
    assert said in found["said"]


def test_a_cluster_with_tocsin_in_order_is_ok(tocsin: Tocsin, kubectl: Any) -> None:
    kubectl([item("Service", name, **READY) for name in ("evaluate", "notify-slack", "notify-email")])

    (found,) = findings(tocsin("doctor", "--json"))["knative"]

    assert found == {
        "check": "knative",
        "verdict": "ok",
        "said": "in namespace tocsin all are Ready: Service: 3",
        "fix": "",
    }


def test_a_setting_that_no_process_would_start_with_is_the_only_finding(
    tocsin: Tocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_TENANT", "A B")
    monkeypatch.setenv("TOCSIN_LATENESS_SECONDS", "-1")

    ran = tocsin("doctor", "--json")

    (only,) = findings(ran).values()
    assert ran.status == 1
    assert {one["said"].partition(":")[0] for one in only} == {"TOCSIN_TENANT", "TOCSIN_LATENESS_SECONDS"}
    assert {(one["check"], one["verdict"]) for one in only} == {("settings", "fail")}


def test_tokens_are_counted_and_those_that_end_soon_are_named(
    tocsin: Tocsin, kubectl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl([])
    file = tmp_path / "tokens.yaml"
    for name, end in (("ann", "90d"), ("bob", "3d")):
        assert tocsin("tokens", "new", name, "--expires", end, "--file", str(file)).status == 0
    monkeypatch.setenv("TOCSIN_MCP_TOKENS_FILE", str(file))

    (found,) = findings(tocsin("doctor", "--json"))["MCP access"]

    assert found["verdict"] == "warn"
    assert found["said"] == f"2 tokens in {file}; expire within two weeks: bob"
