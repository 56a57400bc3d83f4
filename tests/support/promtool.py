"""Prometheus as a judge: what its own rule engine makes of series, asked of promtool, many rules in one run.

Promtool only says whether expectations hold, so what Tocsin decided is what it is given to expect.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STEP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Case:
    """One alerting rule on one series, in promtool's notation, one point per slot; durations in slots.

    `expr` has `{series}` where the series belongs, such as `max_over_time({series}[5m]) > 80`.
    """

    series: str
    expr: str = "{series} > 80"
    for_slots: int = 0
    keep_slots: int = 0


def disagreement(promtool: str, folder: Path, cases: Sequence[Case], phases: Sequence[str]) -> str:
    """Empty when Prometheus finds every case in these phases, slot by slot (`.` ok, `p` pending, `F` firing, `?` don't
    care); else promtool's own words."""
    rules, tests = folder / "rules.yaml", folder / "tests.yaml"
    rules.write_text(
        json.dumps({"groups": [{"name": "g", "rules": list(map(_rule, range(len(cases)), cases))}]})
    )
    asked = {
        "rule_files": [str(rules)],
        "evaluation_interval": f"{STEP_SECONDS}s",
        "tests": [
            {
                "interval": f"{STEP_SECONDS}s",
                "input_series": [
                    {"series": f'm{{case="{n}"}}', "values": case.series} for n, case in enumerate(cases)
                ],
                "promql_expr_test": [_expected(slot, phases) for slot in range(max(map(len, phases)))],
            }
        ],
    }
    tests.write_text(json.dumps(asked))  # which is YAML too, and written in no time
    run = subprocess.run(
        [promtool, "test", "rules", str(tests)], capture_output=True, text=True, timeout=50, check=False
    )
    return "" if run.returncode == 0 else run.stdout + run.stderr


def _rule(number: int, case: Case) -> Mapping[str, object]:
    return {
        "alert": f"case{number}",
        "expr": case.expr.format(series=f'm{{case="{number}"}}'),
        "for": f"{case.for_slots * STEP_SECONDS}s",
        "keep_firing_for": f"{case.keep_slots * STEP_SECONDS}s",
    }


def _expected(slot: int, phases: Sequence[str]) -> Mapping[str, object]:
    words = {"p": "pending", "F": "firing"}
    judged = [(n, story[slot]) for n, story in enumerate(phases) if slot < len(story) and story[slot] != "?"]
    names = "|".join(f"case{n}" for n, _ in judged)
    return {
        "expr": f'ALERTS{{alertname=~"{names}"}}',
        "eval_time": f"{slot * STEP_SECONDS}s",
        "exp_samples": [
            {
                "labels": f'ALERTS{{alertname="case{n}",alertstate="{words[phase]}",case="{n}"}}',
                "value": 1,
            }
            for n, phase in judged
            if phase in words
        ],
    }
