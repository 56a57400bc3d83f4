"""Telegraf's own lines, unchanged: its tags and fields, and the tags that flip with the state."""

import pytest

from shared.model import Phase
from shared.store.tables import rule_status, states
from tests.support.world import World, threshold

HTTP = {"measurement": "http_response", "key": ["host", "server", "method"]}


def http_response(result: str, code: int, fields: str, status: str = "") -> str:
    tag = f",status_code={status}" if status else ""
    return (
        f"http_response,host=web1,method=GET,result={result},server=https://example.com{tag} "
        f'{fields},result_code={code}i,result_type="{result}"'
    )


UP = http_response(
    "success",
    0,
    "content_length=648i,http_response_code=200i,response_time=0.07,response_string_match=1i",
    "200",
)
TIMEOUT = http_response("timeout", 4, "response_string_match=0i")


def test_a_status_tag_that_flips_is_one_target_that_goes_down_and_comes_back(world: World) -> None:
    world.add_monitor("mon_a", **HTTP)
    world.add_rule("rule_down", condition=threshold("!=", 0, "result_code"))
    world.play([UP], [TIMEOUT], [UP])
    assert world.told() == ["firing rule_down", "resolved rule_down"]
    assert len(world.rows(states)) == 1


def test_a_target_that_is_down_has_no_response_time_and_a_rule_on_it_sees_the_last_good_ones(
    world: World,
) -> None:
    world.add_monitor("mon_a", **HTTP)
    world.add_rule("rule_slow", condition=threshold(">", 5, "response_time", aggregation="avg"))
    world.add_rule("rule_down", condition=threshold("!=", 0, "result_code"))
    world.play([UP], [TIMEOUT], [TIMEOUT])
    assert world.told() == ["firing rule_down"]


def test_an_average_over_hours_merges_the_series_of_every_status(world: World) -> None:
    world.add_monitor("mon_a", **HTTP)
    share = threshold(">", 1.9, "result_code", aggregation="avg", window_seconds=21_600)
    world.add_rule("rule_often_down", condition=share)
    world.play([UP], [TIMEOUT], [TIMEOUT])  # 0, 2, then 8/3
    assert world.told() == ["firing rule_often_down"]
    assert [row["phase"] for row in world.rows(states)] == [Phase.FIRING]


@pytest.mark.parametrize(
    ("monitor", "condition", "quiet", "loud"),
    [
        pytest.param(
            {"measurement": "cpu", "key": ["host"], "where": {"cpu": "cpu-total"}},
            threshold(">", 90, "usage_active", aggregation="avg"),
            ["cpu,cpu=cpu0,host=h usage_active=100", "cpu,cpu=cpu-total,host=h usage_active=40,usage_idle=60"],
            ["cpu,cpu=cpu0,host=h usage_active=100", "cpu,cpu=cpu-total,host=h usage_active=190,usage_idle=0"],
            id="cpu",
        ),
        pytest.param(
            {"measurement": "disk", "key": ["host", "path"]},
            threshold(">", 90, "used_percent"),
            ["disk,device=sda1,fstype=ext4,host=h,mode=rw,path=/ used_percent=40.5,free=9000000000i"],
            ["disk,device=sda1,fstype=ext4,host=h,mode=ro,path=/ used_percent=99.5,free=1i"],
            id="disk that was remounted read-only",
        ),
        pytest.param(
            {"measurement": "x509_cert", "key": ["host", "source", "common_name"]},
            threshold("<", 14 * 86_400, "expiry"),
            [
                "x509_cert,common_name=a.example,host=h,source=tcp://a.example:443,verification=valid "
                "age=1i,expiry=5000000i,startdate=1i,enddate=2i,verification_code=0i"
            ],
            [
                "x509_cert,common_name=a.example,host=h,source=tcp://a.example:443,verification=invalid "
                'age=1i,expiry=-5i,startdate=1i,enddate=2i,verification_code=1i,verification_error="expired"'
            ],
            id="x509_cert that ran out",
        ),
        pytest.param(
            {"measurement": "net_response", "key": ["host", "server", "port", "protocol"]},
            threshold("==", False, "string_found"),
            ["net_response,host=h,port=25,protocol=tcp,result=success,server=mx response_time=0.1,string_found=true"],
            ["net_response,host=h,port=25,protocol=tcp,result=string_mismatch,server=mx string_found=false"],
            id="net_response with its boolean",
        ),
    ],
)  # fmt: skip
def test_a_plugins_own_lines_work_unchanged(
    world: World, monitor: dict[str, object], condition: dict[str, object], quiet: list[str], loud: list[str]
) -> None:
    world.add_monitor("mon_a", **monitor)
    world.add_rule("rule_a", condition=condition)
    world.play(quiet, loud)
    assert world.told() == ["firing rule_a"]
    assert {row["health"] for row in world.rows(rule_status)} <= {"ok"}
    assert len({row["series_id"] for row in world.rows(states)}) == 1
