"""The bench runs, says what the documentation promises, and is clear about what it lacks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench._figures import TARGETS, Figure
from tests.support import docs, servers
from tests.support.processes import ROOT


def test_the_targets_are_those_of_the_documentation() -> None:
    table = docs.rows(docs.section("docs/performance.md", "The targets"))

    assert {docs.code(name)[0]: target for name, target, _ in table} == {
        name: f"{word} {limit:g}" for name, (word, limit) in TARGETS.items()
    }


@pytest.mark.parametrize(
    ("name", "value", "met"),
    [
        ("cold_first_tick_s", 6, True),
        ("cold_first_tick_s", 6.1, False),
        ("per_rule_query_over_batched", 20, True),
        ("evals_per_cpu_over_prometheus", 1, False),
    ],
)
def test_a_figure_knows_whether_it_is_where_it_should_be(name: str, value: float, met: bool) -> None:
    assert Figure(name, value).met is met


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_small_bench_runs_through_and_writes_its_numbers(tmp_path: Path) -> None:
    for program in bench.NEEDED:
        servers.require(program)
    file = tmp_path / "bench.json"
    command = [
        sys.executable,
        "-m",
        "tests.bench",
        *[name for name in bench.topics() if name != "prometheus"],
    ]

    ran = subprocess.run(
        [*command, "--rules", "40", "--repeat", "1", "--out", str(file)],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=160,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    numbers = json.loads(file.read_text())
    assert {*numbers} == {*TARGETS, "commit", "machine"} - {"evals_per_cpu_over_prometheus"}
    assert "The targets are for 100,000 rules; these were 40." in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [([], "influxd, prometheus"), (["tick"], "influxd")],
    ids=["all topics", "one topic"],
)
def test_without_the_servers_the_bench_names_what_is_missing(
    arguments: list[str], missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "find", {"mariadbd": "/usr/sbin/mariadbd"}.get)

    assert bench.main(arguments) == 2
    assert f"{missing} can't be found" in capsys.readouterr().err


def test_a_topic_that_is_none_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["ticks"])

    assert "'ticks' is not a topic; valid are charts, deliver" in capsys.readouterr().err


def test_a_number_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--rules", "many"])

    assert "expected a whole number above 0" in capsys.readouterr().err
