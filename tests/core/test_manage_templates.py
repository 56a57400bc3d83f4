"""Ready-made rules: all of them can be stored, and each finds its field in what real writers write."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import conditions, manage
from shared.errors import InvalidInput, NotFound
from shared.manage.drafts import RuleDraft
from shared.model import SEVERITY_WORDS
from shared.wiring import Wiring
from tests.support.manage import NOW, wiring

PRICE = b"coin,symbol=btc price=61000 1699999000\ncoin,symbol=btc price=64000,volume=3 1699999100"
WRITTEN = {
    "coin": PRICE,
    "website": b"website,name=a,url=b is_up=1i,status_code=200i,response_time=80.5 1699999100\n"
    b"website,name=a,url=b is_up=0i,status_code=0i 1699999160",
    "http_response": b"http_response,server=b result_code=0i,http_response_code=200i,response_time=0.2 1699999100",
    "haproxy": b"haproxy,proxy=a http_response.5xx=4i 1699999100",
    "x509_cert": b"x509_cert,source=a expiry=900000i,age=5i,verification_code=0i 1699999100",
    "cpu": b"cpu,host=a,cpu=cpu-total usage_idle=90,usage_user=8 1699999100",
    "mem": b"mem,host=a used_percent=40,available_percent=60 1699999100",
    "disk": b"disk,host=a,path=/ used_percent=40 1699999100",
    "notes": b'notes price="high" 1699999100',
}
"""What Telegraf's plugins, Tocsin's own monitors and others write, by measurement."""
TEMPLATES = {one.name: one for one in manage.list_templates()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wiring]:
    """A monitor for each measurement, named like it."""
    made = wiring(tmp_path_factory.mktemp("templates"))
    made.metrics().write(b"\n".join(WRITTEN.values()), precision="s")
    for name in WRITTEN:
        manage.add_monitor(made, name=name, measurement=name, actor="test", now=NOW)
    manage.add_monitor(made, name="silent", measurement="nothing", actor="test", now=NOW)
    yield made
    made.close()


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_every_template_makes_rules_that_can_be_stored(template: manage.Template) -> None:
    for variant in template.variants:
        asked = dict.fromkeys(template.asks, 1)
        condition = {"field": "x", **variant.condition, **asked}

        assert conditions.canonical(condition) == condition
        assert template.asks.keys() <= conditions.condition_type(condition["type"]).Params.model_fields.keys()
    assert template.severity in SEVERITY_WORDS
    assert template.rule.keys() <= RuleDraft.model_fields.keys() - {"title", "condition", "severity"}


def test_there_is_a_template_for_everything_that_people_usually_watch() -> None:
    usual = {
        *("crypto-price-above", "crypto-price-below", "crypto-price-change", "website-down", "website-slow"),
        *("api-5xx", "certificate-expiry", "host-cpu", "host-memory", "disk-full", "dead-man"),
    }

    assert usual <= TEMPLATES.keys()
    assert len({one.title for one in TEMPLATES.values()}) == len(TEMPLATES)


@pytest.mark.parametrize(
    ("monitor", "fitting"),
    [
        (
            "coin",
            {"crypto-price-above": "price", "crypto-price-below": "price", "crypto-price-change": "price"},
        ),
        ("website", {"website-down": "is_up", "website-slow": "response_time", "api-5xx": "status_code"}),
        (
            "http_response",
            {"website-down": "result_code", "website-slow": "response_time", "api-5xx": "http_response_code"},
        ),
        ("haproxy", {"api-5xx": "http_response.5xx"}),
        ("x509_cert", {"certificate-expiry": "expiry"}),
        ("cpu", {"host-cpu": "usage_idle"}),
        ("mem", {"host-memory": "used_percent"}),
        ("disk", {"disk-full": "used_percent"}),
        ("notes", {}),
    ],
)
def test_a_monitor_gets_the_templates_that_fit_what_it_really_writes(
    written: Wiring, monitor: str, fitting: dict[str, str]
) -> None:
    found = manage.match_templates(written, monitor, now=NOW)

    alike = {one.template.name: one.field.name for one in found.fitting}
    absent = alike.pop("dead-man")
    assert alike == fitting
    assert {one.template.name for one in found.others} == TEMPLATES.keys() - fitting.keys() - {"dead-man"}
    # The answer time is missing whenever a check fails: its absence would say nothing.
    assert absent != "response_time"
    for one in found.fitting:
        assert one.condition["field"] == one.field.name
        assert one.title == f"{one.template.title}: {monitor}"


def test_what_does_not_fit_says_why(written: Wiring) -> None:
    def why(monitor: str, template: str) -> str:
        found = manage.match_templates(written, monitor, now=NOW)
        return next(one.why for one in found.others if one.template.name == template)

    assert why("cpu", "website-down") == (
        "it needs a field is_up or result_code; the monitor has usage_idle, usage_user"
    )
    assert why("mem", "disk-full") == (
        "'used_percent' may be anything here: it needs measurement disk, or kind disk"
    )
    assert why("notes", "crypto-price-above") == "'price' holds text, and it needs a number"
    assert why("silent", "dead-man") == "it needs a field; no field of the monitor is known yet"


def test_a_filled_template_is_a_rule_whose_given_keys_win(written: Wiring) -> None:
    given = {"monitor": "disk", "severity": "info", "condition": {"value": 80, "recovery_value": 70}}

    filled = manage.fill_template(written, "disk-full", given, now=NOW)

    assert filled == {
        "monitor": "disk",
        "title": "Disk nearly full: disk",
        "severity": "info",
        "description": TEMPLATES["disk-full"].description,
        "condition": {
            "type": "threshold",
            "field": "used_percent",
            "operator": ">",
            "value": 80,
            "for_seconds": 300,
            "recovery_value": 70,
            "levels": [{"severity": "critical", "value": 97}],
        },
    }
    assert manage.draft_rule(filled).severity == "info"


def test_a_condition_of_another_type_replaces_that_of_the_template(written: Wiring) -> None:
    other = {"type": "absence", "field": "price"}

    filled = manage.fill_template(
        written, "crypto-price-above", {"monitor": "coin", "condition": other}, now=NOW
    )

    assert filled["condition"] == other
    assert filled["title"] == "Price too high: coin"


@pytest.mark.parametrize(
    ("template", "given", "said"),
    [
        (
            "crypto-price-above",
            {"monitor": "coin"},
            "condition.value is missing; give the price above which people are told. "
            "Lately price was between 61000 and 64000, at last 64000",
        ),
        ("disk-full", {}, "monitor is missing; a template is matched to the fields of one monitor"),
        (
            "disk-full",
            {"monitor": "mem"},
            "template: 'disk-full' is not valid; it does not fit this monitor:",
        ),
        (
            "crypto-price-above",
            {"monitor": "coin", "condition": {"field": "prize"}},
            "it has no field 'prize'; it has price, volume. Did you mean 'price'?",
        ),
        (
            "host-cpu",
            {"monitor": "cpu", "condition": {"field": "usage_user"}},
            "it can't tell what 'usage_user' means",
        ),
    ],
)
def test_a_template_that_can_not_be_filled_says_what_is_missing(
    written: Wiring, template: str, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        manage.fill_template(written, template, given, now=NOW)

    assert said in str(refused.value)


def test_a_field_of_another_name_can_be_given(written: Wiring) -> None:
    given = {"monitor": "coin", "condition": {"field": "volume", "value": 5}}

    filled = manage.fill_template(written, "crypto-price-below", given, now=NOW)

    assert filled["condition"] == {
        "type": "threshold",
        "field": "volume",
        "operator": "<",
        "aggregation": "latest",
        "value": 5,
    }


def test_an_unknown_template_is_refused_with_the_closest_one() -> None:
    with pytest.raises(NotFound, match="Did you mean 'website-down'"):
        manage.get_template("website-dwon")


def test_without_the_metric_store_the_known_fields_are_compared(tmp_path: Path) -> None:
    made = wiring(tmp_path)
    manage.add_monitor(
        made, name="mem", measurement="mem", fields={"used_percent": "percent"}, actor="a", now=NOW
    )
    (tmp_path / "metrics.db").write_bytes(b"no database")

    found = manage.match_templates(made, "mem", now=NOW)
    made.close()

    assert found.trouble
    assert [one.template.name for one in found.fitting] == ["dead-man", "host-memory"]
