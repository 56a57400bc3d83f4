"""Judges the servers: the database with its tables and clock, Redis, the metric stores. Pure."""

import re
from collections.abc import Mapping

from shared.manage.doctor.facts import Database, Finding, MetricSource, Nothing, RedisServer, Trouble, Verdict
from shared.settings import DEFAULT_SOURCE, OWN_SOURCE

OLDEST = {"mysql": (8, 0), "mariadb": (10, 6)}
"""What Tocsin is tested with, and newer."""
NAMES = {"sqlite": "SQLite", "mysql": "MySQL", "mariadb": "MariaDB"}
SLOW_MS = 200
"""A round trip that takes so long makes every tick slow: each has about ten of them, one after the other."""
SKEW_MS = 2_000
INTERVAL_MS = 30_000
"""Assumed until a tick says otherwise."""

OK, WARN, FAIL, SKIPPED = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.SKIPPED
Seen = Database | Trouble | Nothing


def database(seen: Seen, *, in_cluster: bool) -> list[Finding]:
    """Whether it answers, is one that Tocsin works with, and has the tables that this program needs."""
    if isinstance(seen, Trouble):
        fix = "Start it, or correct TOCSIN_DATABASE_URL; nothing works without it"
        return [Finding("database", FAIL, seen.why, fix), unseen("migrations", seen)]
    if isinstance(seen, Nothing):
        return [Finding("database", WARN, seen.why, "The first start makes it"), unseen("migrations", seen)]
    said = f"{NAMES[seen.server.dialect]} {seen.server.version} at {seen.shown}, {seen.latency_ms:.0f} ms"
    return [_server(seen, said, in_cluster), *_settings(seen), _migrations(seen)]


def _server(seen: Database, said: str, in_cluster: bool) -> Finding:
    oldest = OLDEST.get(seen.server.dialect)
    if oldest and _numbers(seen.server.version) < oldest:
        wanted = ".".join(map(str, oldest))
        return Finding(
            "database", FAIL, said, f"Move to {wanted} or newer; older ones lack what the tables need"
        )
    if in_cluster and seen.server.dialect == "sqlite":
        fix = "Set TOCSIN_DATABASE_URL to a MySQL: Pods share no file, so each would have alerts of its own"
        return Finding("database", FAIL, said, fix)
    if seen.latency_ms > SLOW_MS:
        return Finding("database", WARN, said, "Bring it nearer: a tick waits for about ten answers in a row")
    return Finding("database", OK, said)


def _settings(seen: Database) -> list[Finding]:
    server = seen.server
    if server.dialect == "sqlite":
        return []
    if server.foreign_tables:
        said = f"{server.foreign_tables} of its tables are not InnoDB in utf8mb4"
        fix = "ALTER TABLE … ENGINE=InnoDB, CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        return [Finding("tables", FAIL, said, fix)]
    if server.isolation != "READ COMMITTED":
        said = f"transactions run at {server.isolation}"
        return [
            Finding(
                "tables", WARN, said, "Let no proxy change the isolation level: READ COMMITTED is asked for"
            )
        ]
    return [Finding("tables", OK, "InnoDB in utf8mb4, READ COMMITTED")]


def _migrations(seen: Database) -> Finding:
    if seen.revision > seen.newest:
        said = f"revision {seen.revision}, newer than this program, which knows {seen.newest}"
        return Finding("migrations", OK, f"{said}: an upgrade is under way")
    if seen.revision == seen.newest:
        return Finding("migrations", OK, f"revision {seen.revision}, the newest")
    has = f"revision {seen.revision}" if seen.revision else "no tables"
    said = f"the database has {has}, this program needs revision {seen.newest}"
    if seen.server.dialect == "sqlite":
        return Finding("migrations", WARN, said, "The next start migrates it; or run `tocsin migrate`")
    return Finding("migrations", FAIL, said, "Run `tocsin migrate`, or apply the Job migrate")


def clocks(
    seen: Seen, stores: Mapping[str, MetricSource | Trouble | Nothing], max_skew_intervals: int
) -> list[Finding]:
    """Whether the clocks agree: ticks, points and leases are compared across machines."""
    ahead: dict[str, int] = {}
    interval = INTERVAL_MS
    if isinstance(seen, Database):
        ahead["the database"] = seen.ahead_ms
        if seen.standing and seen.standing.ticks:
            interval = max(one.interval_ms for one in seen.standing.ticks) or INTERVAL_MS
    for name, store in stores.items():
        if isinstance(store, MetricSource) and store.ahead_ms is not None:
            ahead[f"metric store {name}"] = store.ahead_ms
    if not ahead:
        return [Finding("clocks", SKIPPED, "no other clock could be read")]
    worst = max(abs(by) for by in ahead.values())
    said = ", ".join(f"{who} {_apart(by)}" for who, by in ahead.items())
    fix = "Let NTP keep the clocks of all machines"
    if worst > interval * max_skew_intervals:
        return [
            Finding(
                "clocks",
                FAIL,
                said,
                f"{fix}: ticks further than {max_skew_intervals} intervals off are ignored",
            )
        ]
    return [Finding("clocks", WARN, said, fix) if worst > SKEW_MS else Finding("clocks", OK, said)]


def redis(seen: RedisServer | Trouble | Nothing) -> list[Finding]:
    """Redis makes things faster and is never needed."""
    if isinstance(seen, Nothing):
        return [
            Finding("redis", WARN, seen.why, "Set TOCSIN_REDIS_URL: ticks then read less from the database")
        ]
    if isinstance(seen, Trouble):
        fix = "Start it, or correct TOCSIN_REDIS_URL; until then all works, and ticks read more from the database"
        return [Finding("redis", WARN, seen.why, fix)]
    return [Finding("redis", OK, f"{seen.version} at {seen.shown}, {seen.latency_ms:.0f} ms")]


def sources(stores: Mapping[str, MetricSource | Trouble | Nothing], seen: Seen) -> list[Finding]:
    """Each metric store, and those that monitors name and nobody configured."""
    found = [_source(f"metrics {name}", name, store) for name, store in stores.items()]
    if isinstance(seen, Database) and seen.standing:
        for name in sorted(seen.standing.sources - set(stores) - {OWN_SOURCE}):
            fix = "Add it to TOCSIN_METRICS_SOURCES; rules on its monitors are in error until then"
            found.append(Finding(f"metrics {name}", FAIL, "monitors read it, and it is not configured", fix))
    return found


def _source(check: str, name: str, store: MetricSource | Trouble | Nothing) -> Finding:
    setting = "TOCSIN_METRICS_URL" if name == DEFAULT_SOURCE else "TOCSIN_METRICS_SOURCES"
    if isinstance(store, Nothing):
        return Finding(check, WARN, store.why, "It begins with the first point that is written")
    if isinstance(store, Trouble):
        return Finding(
            check, FAIL, store.why, f"Start it, or correct {setting}; its rules are in error until then"
        )
    said = f"{_counted(store.measurements, 'measurement')} at {store.shown}, {store.latency_ms:.0f} ms"
    if not store.measurements:
        return Finding(
            check, WARN, said, f"Let something write to it, or see whether {setting} names the right one"
        )
    return Finding(check, OK, said)


def unseen(check: str, seen: Seen) -> Finding:
    """What only the database could tell."""
    why = (
        "its tables are not those that this program reads"
        if isinstance(seen, Database)
        else "there is no database to ask"
    )
    return Finding(check, SKIPPED, why)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _apart(ahead_ms: int) -> str:
    if abs(ahead_ms) < 1_000:
        return "agrees"
    return f"{abs(ahead_ms) / 1000:.3g} s {'ahead' if ahead_ms > 0 else 'behind'}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
