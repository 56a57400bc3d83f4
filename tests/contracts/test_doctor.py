"""The doctor's looks at real servers: what they see, that they change nothing, and that no secret comes out of them."""

import json
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared import manage
from shared.errors import Unavailable
from shared.manage.doctor import probes
from shared.manage.doctor.facts import Access, Channels, Database, Nothing, Trouble
from shared.manage.doctor.gather import gather
from shared.settings import Settings, Source
from shared.store import migrate
from shared.wiring import Wiring
from tests.support.processes import free_port
from tests.support.servers import MariaDB
from tests.support.sink import Reply, Sink

HUSH = "hush-hush"
CHANNELS = """
channels:
  - {name: ops, kind: slack, default: true}
  - {name: hook, kind: webhook}
"""


def wired(folder: Path, environ: Mapping[str, str] | None = None, **given: Any) -> Wiring:
    settings = {"state_dir": folder, **given}
    return Wiring(Settings.model_validate(settings), environ or {})


def seen_database(ports: Wiring) -> Database:
    found = probes.database(ports)
    ports.close()
    assert isinstance(found, Database)
    return found


def test_the_server_its_tables_and_its_clock_are_seen(tmp_path: Path, database_url: str) -> None:
    found = seen_database(wired(tmp_path, database_url=database_url))

    assert found.revision == found.newest == migrate.NEWEST
    assert abs(found.ahead_ms) < 2_000
    assert found.server.foreign_tables == 0
    assert found.server.isolation in ("", "READ COMMITTED")
    assert (found.server.dialect == "sqlite") == database_url.startswith("sqlite")
    assert found.standing is not None
    assert (found.standing.rules, found.standing.ticks, found.standing.unpublished) == (0, (), 0)


def test_the_work_is_seen_as_the_tables_have_it(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "channels.yaml").write_text(CHANNELS, encoding="utf-8")
    ports = wired(tmp_path, database_url=database_url, channels_file=tmp_path / "channels.yaml")
    now = ports.clock()
    manage.turn_on_self_alerts(ports, actor="test", now=now)
    manage.add_monitor(ports, name="M", measurement="m", source="default", actor="test", now=now)

    standing = seen_database(ports).standing

    assert standing is not None
    assert standing.rules == 7
    assert standing.self_alerts == (7, 7)
    assert standing.sources == {"default", "self"}
    assert standing.overdue == {"ops": 0, "hook": 0}


def test_a_database_without_tables_is_seen_and_stays_without(tmp_path: Path, new_mariadb_url: str) -> None:
    ports = wired(tmp_path, database_url=new_mariadb_url)

    first, second = seen_database(ports), seen_database(ports)

    assert (first.revision, first.standing) == ("", None)
    assert second.revision == ""


def test_tables_that_lost_their_character_set_are_counted(
    tmp_path: Path, mariadb: MariaDB, mariadb_url: str
) -> None:
    name = mariadb_url.rpartition("/")[2].partition("?")[0]
    mariadb.query(f"ALTER TABLE `{name}`.audit CONVERT TO CHARACTER SET latin1")
    try:
        assert seen_database(wired(tmp_path, database_url=mariadb_url)).server.foreign_tables == 1
    finally:
        mariadb.query(f"ALTER TABLE `{name}`.audit CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    ports = wired(tmp_path / "state")

    assert isinstance(probes.database(ports), Nothing)
    assert isinstance(probes.metric_source(ports, ports.settings.sources["default"], "X"), Nothing)
    assert not (tmp_path / "state").exists()


def test_a_real_influxdb_is_counted_and_dated(tmp_path: Path, influxdb_url: str) -> None:
    ports = wired(tmp_path, metrics_url=influxdb_url)
    ports.metrics().write(b"boiler degrees=99")

    found = probes.metric_source(ports, ports.settings.sources["default"], "X")
    ports.close()

    assert not isinstance(found, Nothing)
    assert found.measurements == 1
    assert found.ahead_ms is not None
    assert abs(found.ahead_ms) < 2_000


def test_a_metric_store_whose_clock_is_wrong_is_seen(tmp_path: Path) -> None:
    ports = wired(tmp_path)
    dated = formatdate(ports.clock() / 1000 - 3600, usegmt=True)
    nothing = {"results": [{"statement_id": 0}, {"statement_id": 1}]}
    with Sink(Reply(200, {"Date": dated}, nothing)) as sink:
        url = SecretStr(f"influxql+http://me:{HUSH}@127.0.0.1:{sink.port}/db")
        found = probes.metric_source(ports, Source(url=url), "X")

    assert not isinstance(found, Nothing)
    assert found.ahead_ms is not None
    assert -3_602_000 < found.ahead_ms < -3_598_000
    assert HUSH not in found.shown


def test_a_real_redis_says_its_version_and_one_that_refuses_says_why(
    tmp_path: Path, redis_url: str, refused_redis_url: str
) -> None:
    found = probes.redis_server(wired(tmp_path, redis_url=redis_url))

    assert not isinstance(found, Nothing)
    assert found.version[0].isdigit()
    secret = refused_redis_url.replace("redis://", f"redis://:{HUSH}@")
    with pytest.raises(Unavailable, match="refused") as refused:
        probes.redis_server(wired(tmp_path, redis_url=secret))
    assert HUSH not in str(refused.value)
    assert isinstance(probes.redis_server(wired(tmp_path)), Nothing)


def test_secrets_are_tried_where_they_are_at_hand_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "channels.yaml"
    file.write_text(CHANNELS, encoding="utf-8")
    environ = {"TOCSIN_SECRET_OPS_URL": f"https://hooks.slack.com/services/T0/B0/{HUSH}"}

    there = probes.channels(wired(tmp_path, environ, channels_file=file), environ)
    elsewhere = probes.channels(wired(tmp_path, channels_file=file), {})

    assert isinstance(there, Channels)
    assert isinstance(elsewhere, Channels)
    assert there.unusable == {"hook": "it has no URL: give it the setting or the secret 'url'"}
    assert elsewhere.unusable is None
    assert there.kinds == {"ops": "slack", "hook": "webhook"}
    assert HUSH not in repr(there)


def test_everything_is_looked_at_when_everything_fails(tmp_path: Path) -> None:
    gone = f"127.0.0.1:{free_port()}"
    given: dict[str, Any] = {
        "database_url": f"mysql+pymysql://me:{HUSH}@{gone}/db",
        "metrics_url": f"influxql+http://me:{HUSH}@{gone}/db",
        "metrics_sources": json.dumps({"eu": f"flux+http://{gone}/bucket?org=o"}),
        "redis_url": f"redis://:{HUSH}@{gone}/0",
        "channels_file": tmp_path / "gone.yaml",
        "event_keys": f"k:{HUSH}",
        "public_url": f"http://{gone}",
    }

    found = gather(wired(tmp_path, **given), {"PATH": ""}, lambda: Access("tokens"), "tocsin", 15)

    for one in (found.database, found.redis, found.channels, found.public_page, *found.sources.values()):
        assert isinstance(one, Trouble)
    assert isinstance(found.setup.event_keys, Trouble)
    assert set(found.sources) == {"default", "eu"}
    assert HUSH not in repr(found)
