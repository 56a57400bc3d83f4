"""What the doctor says of what was gathered: every trouble has a verdict and a fix."""

from dataclasses import replace
from typing import Any

import pytest

from shared.manage.doctor import Finding, Gathered, Verdict, examine
from shared.manage.doctor.facts import (
    Access,
    Channels,
    Cluster,
    Database,
    KnativeObject,
    MetricSource,
    Nothing,
    RedisServer,
    Setup,
    Standing,
    Trouble,
)
from shared.store.listing import TickRow
from shared.store.server import Server
from tests.support import docs

NOW = 1_700_000_000_000
TICK = TickRow(
    shard="0/1", slot=NOW - 20_000, started_at=NOW - 20_000, interval_ms=30_000, total_ms=900, stages_ms="{}",
    rules=0, series=0, queries=0, points=0, transitions=0, notifications=0, skipped=0, errors=0, error="",
)  # fmt: skip
STANDING = Standing(
    NOW, 12, 0, [TICK], 0, 0, {"ops": 0}, (), {"slack": 0}, (7, 7), frozenset({"default", "self"})
)
SERVER = Server("mariadb", "10.11.6", "READ COMMITTED")
DATABASE = Database("mysql+pymysql://t:***@db:3306/tocsin", SERVER, 2, 40, "0008", "0008", STANDING)
SETUP = Setup(9, 37, {}, False, 1, 1, "https://tocsin.example.com", True, 2)
OBJECTS = [KnativeObject("Service", name, "") for name in ("evaluate", "notify-slack")]
WELL = Gathered(
    setup=SETUP,
    access=Access("tokens", "/etc/tokens.yaml", 2),
    database=DATABASE,
    redis=RedisServer("redis://redis:6379/0", "7.0.15", 1),
    channels=Channels("/etc/channels.yaml", {"ops": "slack"}, 1, {}),
    public_page=200,
    cluster=Cluster("tocsin", OBJECTS),
    sources={"default": MetricSource("influxql+http://influx:8086/metrics", 3, 4, -300)},
)


def well(**changed: Any) -> Gathered:
    return replace(WELL, **changed)


def setup(**changed: Any) -> Gathered:
    return well(setup=replace(SETUP, **changed))


def database(**changed: Any) -> Gathered:
    return well(database=replace(DATABASE, **changed))


def server(**changed: Any) -> Gathered:
    return database(server=replace(SERVER, **changed))


def standing(**changed: Any) -> Gathered:
    return database(standing=replace(STANDING, **changed))


def tick(**changed: Any) -> Gathered:
    return standing(ticks=[replace(TICK, **changed)])


def of(check: str, seen: Gathered) -> list[Finding]:
    return [one for one in examine(seen) if one.check == check]


def test_nothing_is_to_be_done_where_all_is_well() -> None:
    found = examine(WELL)

    assert {one.verdict for one in found} == {Verdict.OK}
    assert {one.fix for one in found} == {""}
    assert len({one.check for one in found}) == len(found)


@pytest.mark.parametrize(
    ("seen", "check", "verdict", "said", "fix"),
    [
        (
            setup(unknown={"TOCSIN_DATABSE_URL": "TOCSIN_DATABASE_URL"}),
            *(
                "settings",
                "warn",
                "no setting is called TOCSIN_DATABSE_URL",
                "Did you mean TOCSIN_DATABASE_URL?",
            ),
        ),
        (setup(unknown={"TOCSIN_X": ""}), "settings", "warn", "TOCSIN_X", "Remove them"),
        (well(database=Trouble("refused")), "database", "fail", "refused", "TOCSIN_DATABASE_URL"),
        (well(database=Nothing("no file")), "database", "warn", "no file", "The first start makes it"),
        (server(version="10.5.9"), "database", "fail", "MariaDB 10.5.9", "10.6 or newer"),
        (server(dialect="mysql", version="5.7.44"), "database", "fail", "MySQL 5.7.44", "8.0 or newer"),
        (database(latency_ms=450), "database", "warn", "450 ms", "Bring it nearer"),
        (server(foreign_tables=2), "tables", "fail", "2 of its tables", "utf8mb4_bin"),
        (server(isolation="REPEATABLE READ"), "tables", "warn", "REPEATABLE READ", "READ COMMITTED"),
        (
            database(revision="0006", standing=None),
            *("migrations", "fail", "has revision 0006, this program needs revision 0008", "tocsin migrate"),
        ),
        (database(revision="", standing=None), "migrations", "fail", "has no tables", "tocsin migrate"),
        (
            database(server=Server("sqlite", "3.40.1"), revision="0006"),
            *("migrations", "warn", "revision 0006", "The next start migrates it"),
        ),
        (database(revision="0009"), "migrations", "ok", "an upgrade is under way", ""),
        (database(ahead_ms=-4_000), "clocks", "warn", "the database 4 s behind", "NTP"),
        (database(ahead_ms=61_000), "clocks", "fail", "the database 61 s ahead", "are ignored"),
        (
            well(sources={"eu": MetricSource("u", 3, 4, 9_000)}),
            *("clocks", "warn", "metric store eu 9 s ahead", "NTP"),
        ),
        (well(redis=Nothing("none is set")), "redis", "warn", "none is set", "TOCSIN_REDIS_URL"),
        (well(redis=Trouble("refused")), "redis", "warn", "refused", "all works"),
        (
            well(sources={"default": Trouble("refused")}),
            *("metrics default", "fail", "refused", "TOCSIN_METRICS_URL"),
        ),
        (
            well(sources={"default": WELL.sources["default"], "eu": Trouble("refused")}),
            *("metrics eu", "fail", "refused", "TOCSIN_METRICS_SOURCES"),
        ),
        (
            well(sources={"default": MetricSource("u", 3, 0)}),
            *("metrics default", "warn", "0 measurements", "Let something write to it"),
        ),
        (
            standing(sources=frozenset({"default", "gone"})),
            *("metrics gone", "fail", "not configured", "TOCSIN_METRICS_SOURCES"),
        ),
        (well(channels=Trouble("bad YAML")), "channels", "fail", "bad YAML", "Correct the file"),
        (well(channels=Nothing("no file")), "channels", "warn", "no file", "TOCSIN_CHANNELS_FILE"),
        (well(channels=Channels("c", {}, 0, None)), "channels", "warn", "c holds none", "nobody is told"),
        (
            well(channels=Channels("c", {"ops": "slack"}, 0, {})),
            *("channels", "warn", "none is a default one", "default: true"),
        ),
        (
            well(channels=Channels("c", {"ops": "slack"}, 1, {"ops": "its secret 'url' is not set"})),
            *("secrets", "fail", "ops: its secret 'url' is not set", "#secrets"),
        ),
        (
            well(channels=Channels("c", {"ops": "slack"}, 1, None)),
            *("secrets", "skipped", "only the notify functions have them", ""),
        ),
        (setup(event_keys=0), "event keys", "warn", "none", "TOCSIN_EVENT_KEYS"),
        (setup(event_keys=Trouble("not base64")), "event keys", "fail", "not base64", "TOCSIN_EVENT_KEYS"),
        (setup(public_url=""), "public URL", "warn", "no acknowledge links", "TOCSIN_PUBLIC_URL"),
        (setup(link_keys=0), "public URL", "warn", "no key to sign links with", "TOCSIN_LINK_KEYS"),
        (setup(link_keys=Trouble("short")), "public URL", "fail", "short", "TOCSIN_LINK_KEYS"),
        (setup(public_url="http://a.example.com"), "public URL", "warn", "not encrypted", "https://"),
        *(
            (setup(public_url=f"https://{host}"), "public URL", "warn", "leads nowhere outside", "a phone")
            for host in ("localhost:8080", "10.1.2.3", "ack.tocsin.svc.cluster.local", "[::1]", "box")
        ),
        (well(public_page=Trouble("refused")), "public URL", "warn", "refused", "Publish the function ack"),
        (well(access=Trouble("bad")), "MCP access", "fail", "bad", "#who-may-use-it"),
        (well(access=Access("none")), "MCP access", "ok", "everybody on this machine", ""),
        (
            well(access=Access("none"), setup=replace(SETUP, in_cluster=True)),
            *("MCP access", "fail", "everybody", "TOCSIN_MCP_AUTH=tokens"),
        ),
        (well(access=Access("tokens")), "MCP access", "warn", "nobody", "tocsin tokens new"),
        (well(access=Access("tokens", "f")), "MCP access", "warn", "f holds no token", "tocsin tokens new"),
        (well(access=Access("tokens", "f", Trouble("x"))), "MCP access", "fail", "x", "Correct the file"),
        (well(access=Access("tokens", "f", 2, ("a",))), "MCP access", "warn", "expired: a", "Take them out"),
        (
            well(access=Access("tokens", "f", 2, (), ("b",))),
            *("MCP access", "warn", "expire within two weeks: b", "in time"),
        ),
        (
            well(access=Access("oauth", issuer="https://id.example.com")),
            *("MCP access", "ok", "access token of https://id.example.com", ""),
        ),
        (setup(heartbeat=False), "heartbeat", "warn", "nobody hears", "TOCSIN_HEARTBEAT_URL"),
        (standing(ticks=[]), "ticks", "fail", "no tick was ever recorded", "PingSource"),
        (standing(ticks=[], rules=0), "ticks", "warn", "no tick was ever recorded", "PingSource"),
        (tick(slot=NOW - 91_000), "ticks", "fail", "91 s ago, every 30 s: they have stopped", "PingSource"),
        (tick(slot=NOW - 90_000), "ticks", "ok", "90 s ago", ""),
        (tick(slot=NOW - 89_000, interval_ms=5_000), "ticks", "ok", "89 s ago, every 5 s", ""),
        (
            standing(ticks=[replace(TICK, interval_ms=1_000), TICK]),
            *("ticks", "ok", "every 30 s; the slowest of the last 2 took 0.9 s of 25 s", ""),
        ),
        (tick(errors=1, error="cpu: refused"), "ticks", "warn", "cpu: refused", "log of `evaluate`"),
        (tick(total_ms=13_000), "ticks", "warn", "took 13.0 s of 25 s", "shards"),
        (tick(skipped=3), "ticks", "warn", "3 of the slots before", "#missed-slots"),
        (standing(rules_in_error=2), "rules", "warn", "2 of 12 can't be evaluated", "tocsin rules list"),
        (
            standing(unpublished=4, oldest_unpublished_seconds=121),
            *("outbox", "fail", "4 events wait for the Broker, the oldest for 121 s", "#growing-outbox"),
        ),
        (standing(unpublished=4, oldest_unpublished_seconds=3), "outbox", "ok", "4 events wait", ""),
        (standing(failing_channels=("ops",)), "deliveries", "fail", "ops", "#failing-channels"),
        (standing(overdue={"ops": 3}), "deliveries", "warn", "ops: 3", "#overdue-deliveries"),
        (standing(dead_letters={"slack": 2}), "dead letters", "warn", "slack: 2", "#dead-letters"),
        (standing(self_alerts=(0, 7)), "self-alerts", "warn", "0 of 7 are on", "tocsin self-alerts on"),
        (well(cluster=Nothing("no kubectl")), "knative", "skipped", "no kubectl", ""),
        (well(cluster=Trouble("forbidden")), "knative", "fail", "forbidden", "kubectl get"),
        (
            well(cluster=Cluster("t", [*OBJECTS, KnativeObject("Trigger", "x", "BrokerMissing")])),
            *("knative", "fail", "Trigger x is not Ready: BrokerMissing", "kubectl -n t describe trigger x"),
        ),
        (
            well(cluster=Cluster("t", OBJECTS[:1])),
            *("knative", "fail", "has no Service notify-slack", "docs/deploy.md"),
        ),
    ],
)
def test_every_trouble_is_named_with_what_to_do(
    seen: Gathered, check: str, verdict: str, said: str, fix: str
) -> None:
    (found,) = of(check, seen)

    assert found.verdict.value == verdict
    assert said in found.said
    assert fix in found.fix
    assert bool(found.fix) == (verdict in ("warn", "fail"))


def test_the_documentation_lists_every_check_in_its_order() -> None:
    table = docs.rows(docs.section("docs/operations.md", "Doctor"))

    shown = [cells[0].replace("*source*", "default") for cells in table]
    assert shown == [one.check for one in examine(WELL)]


def test_sqlite_in_a_cluster_is_a_failure_because_pods_share_no_file() -> None:
    alone = Server("sqlite", "3.40.1")

    (here,) = of("database", database(server=alone))
    (there,) = of(
        "database", well(database=replace(DATABASE, server=alone), setup=replace(SETUP, in_cluster=True))
    )

    assert (here.verdict, there.verdict) == (Verdict.OK, Verdict.FAIL)
    assert of("tables", database(server=alone)) == []


@pytest.mark.parametrize("seen", [Trouble("refused"), Nothing("no file"), replace(DATABASE, standing=None)])
def test_what_only_the_database_could_tell_is_skipped_without_it(seen: Any) -> None:
    found = {one.check: one.verdict for one in examine(well(database=seen))}

    for check in ("ticks", "rules", "outbox", "deliveries", "dead letters", "self-alerts"):
        assert found[check] is Verdict.SKIPPED
