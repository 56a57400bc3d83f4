"""The Grafana dashboard shows what Tocsin measures: every metric, by the names that Prometheus gives it."""

import json
import re
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.telemetry.names import METRICS, Metric, prometheus_label, prometheus_names
from tests.support.docs import ROOT

DASHBOARD = json.loads((ROOT / "docs" / "grafana" / "tocsin.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
NAMED: dict[str, Metric] = {name: metric for metric in METRICS for name in prometheus_names(metric)}
GRAFANA = {"$__rate_interval": "5m", "$__range": "3h"}


def queries() -> Iterator[tuple[str, str, str]]:
    """Title, expression and legend of every query."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


def metrics_in(expression: str) -> set[str]:
    """What an expression selects, without labels and functions."""
    bare = re.sub(r"\bby\s*\([^)]*\)", "", expression)
    return set(re.findall(r"\btocsin_\w+", bare))


def labels_in(expression: str, legend: str) -> set[str]:
    grouped = re.findall(r"\bby\s*\(([^)]*)\)", expression)
    shown = re.findall(r"{{\s*(\w+)\s*}}", legend)
    return {one.strip() for group in grouped for one in group.split(",")} - {"le"} | set(shown)


@pytest.mark.parametrize(("title", "expression", "legend"), list(queries()))
def test_every_query_asks_for_metrics_and_labels_that_exist(title: str, expression: str, legend: str) -> None:
    asked = metrics_in(expression)

    assert asked, title
    assert asked <= NAMED.keys(), f"{title}: {asked - NAMED.keys()}"
    for name in asked:
        known = {prometheus_label(attribute) for attribute in NAMED[name].attributes}
        assert labels_in(expression, legend) <= known, f"{title}: {name}"


def test_a_legend_shows_only_what_its_query_groups_by() -> None:
    for title, expression, legend in queries():
        assert labels_in("", legend) <= labels_in(expression, ""), title


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {NAMED[name].name for _, expression, _ in queries() for name in metrics_in(expression)}

    assert shown == {metric.name for metric in METRICS}


def test_counters_are_asked_for_as_rates_and_histograms_as_quantiles_or_means() -> None:
    for title, expression, _ in queries():
        for name in metrics_in(expression):
            if NAMED[name].kind != "gauge":
                assert re.search(rf"\b(rate|increase)\({name}\[", expression), title
            if name.endswith("_bucket"):
                assert "histogram_quantile(" in expression, title
                assert "le" in expression, title


def test_prometheus_can_read_every_query(promtool: str, tmp_path: Path) -> None:
    rules: list[dict[str, Any]] = []
    for number, (_, expression, _) in enumerate(queries()):
        for variable, value in GRAFANA.items():
            expression = expression.replace(variable, value)
        assert "$" not in expression
        rules.append({"record": f"query:{number}", "expr": expression})
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")

    done = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, timeout=50, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_panels_have_ids_words_a_unit_and_a_place_of_their_own() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
