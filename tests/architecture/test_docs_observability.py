"""What is said about watching Tocsin is true: its metrics, spans, log fields and self-alerts."""

import re

from shared.manage.self_alerts import built_in
from shared.telemetry.names import METRICS, PREFIX, prometheus_names
from tests.support import docs
from tests.support.docs import ROOT

PAGE = "docs/observability.md"


def test_every_metric_is_documented_as_it_is() -> None:
    listed = {
        docs.code(name)[0]: (kind, docs.code(unit)[0], docs.code(attributes), docs.code(there)[0], what)
        for name, kind, unit, attributes, there, what in docs.rows(docs.section(PAGE, "Metrics"))
    }

    assert listed == {
        metric.name: (
            metric.kind,
            metric.unit,
            [PREFIX + name for name in metric.attributes],
            prometheus_names(metric)[0].removesuffix("_bucket"),
            metric.description,
        )
        for metric in METRICS
    }


def test_every_span_that_the_code_records_is_documented() -> None:
    """The edges' spans are called as their functions."""
    told = {
        word for row in docs.rows(docs.section(PAGE, "Traces")) for cell in row for word in docs.code(cell)
    }
    recorded: set[str] = set()
    for path in (ROOT / "shared").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        recorded |= set(re.findall(r'telemetry\.span\(\s*"([^"]+)"', text))
        if path.name == "evaluate.py":
            recorded |= set(re.findall(r'_stage\(report, "([^"]+)"', text))

    assert {"tick", "gather", "commit", "claim", "send"} <= recorded
    assert recorded <= told


def test_every_self_alert_is_documented_with_its_severity() -> None:
    listed = {
        docs.code(rule)[0]: severity for rule, severity, _ in docs.rows(docs.section(PAGE, "Self-alerts"))
    }

    assert listed == {rule.id: rule.severity.word for rule in built_in().rules}


def test_every_log_field_that_is_documented_is_one_that_the_code_binds_or_gives() -> None:
    fields = {word for row in docs.rows(docs.section(PAGE, "Logs")) for word in docs.code(row[0])}
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "shared").rglob("*.py"))

    assert {"event_id", "rule_id", "slot", "delivery_id", "trace_id"} <= fields
    missing = {name for name in fields if f'"{name}"' not in code and not re.search(rf"\b{name}=", code)}
    assert missing == set()
