"""`tocsin self-alerts …` as people type it."""

from tests.support.cli import Tocsin


def test_self_alerts_are_turned_on_listed_and_turned_off(tocsin: Tocsin) -> None:
    assert "never on" in tocsin("self-alerts", "list").out

    assert tocsin("self-alerts", "on").out == "The self-alerts are on: 7 added, 0 changed.\n"
    assert tocsin("self-alerts", "on").out == "The self-alerts were on already; nothing was changed.\n"

    listed = tocsin("self-alerts", "list", "--json").json()
    assert [one["slug"] for one in listed][:2] == ["source-unreachable", "rules-in-error"]
    assert {one["rule"]["enabled"] for one in listed} == {True}
    assert listed[0]["runbook"] == "docs/operations.md#source-unreachable"
    assert tocsin("self-alerts", "off").out == "7 self-alerts are off.\n"
    assert tocsin("self-alerts", "off").out == "No self-alert was on; nothing was changed.\n"
    assert tocsin("self-alerts", "on", "--json").json() == {
        "added": [],
        "changed": [one["rule"]["id"] for one in listed],
    }


def test_one_can_be_left_out_by_its_slug(tocsin: Tocsin) -> None:
    done = tocsin("self-alerts", "on", "--without", "missed-slots")
    assert done.out == "The self-alerts are on: 6 added, 0 changed.\n"
    refused = tocsin("self-alerts", "on", "--without", "missed")
    assert refused.status == 2
    assert "without: 'missed' is not valid; valid are source-unreachable" in " ".join(refused.err.split())


def test_an_unknown_channel_is_one_clear_error(tocsin: Tocsin) -> None:
    refused = tocsin("self-alerts", "on", "--channel", "opz")

    assert refused.status == 2
    assert refused.err.startswith("Error: channels: 'opz' is not valid")
    assert "never on" in tocsin("self-alerts", "list").out


def test_the_demo_turns_them_on_when_it_is_asked_to_and_only_then(tocsin: Tocsin) -> None:
    said = tocsin("demo", "--if-empty", "--self-alerts").out
    assert said.endswith("rules, and turned on the self-alerts.\n")
    rules = tocsin("self-alerts", "list", "--json").json()
    asleep = [one["slug"] for one in rules if one["standing"] is None]
    assert asleep == ["missed-slots"]

    tocsin("self-alerts", "off")
    tocsin("demo", "--if-empty", "--self-alerts")

    rules = tocsin("self-alerts", "list", "--json").json()
    assert not any(one["rule"]["enabled"] for one in rules if one["standing"])
