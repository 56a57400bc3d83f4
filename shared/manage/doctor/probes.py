"""Looks at everything side by side; no look can hold up the others, nor the end. Writes nothing, anywhere.

What a look needs is opened here anew: the wiring would migrate a database, and keep a file that nobody asked for.
"""

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from shared.channels import ChannelBook, Misconfigured, load_kind
from shared.channels._kind import Request
from shared.errors import InvalidInput, TocsinError, Unavailable, redact_url
from shared.manage import self_alerts
from shared.manage.doctor.facts import (
    Channels,
    Database,
    MetricSource,
    Nothing,
    RedisServer,
    Standing,
    Trouble,
)
from shared.model import Health, Millis
from shared.settings import Settings, Source
from shared.store import listing, migrate, own, server
from shared.store import rules as rule_rows
from shared.store.engine import Tx, open_store

T = TypeVar("T")

PING_SECONDS = 3.0
TICKS = 20
"""How many of the newest ticks are looked at: ten minutes of a cluster's."""
_CLOCK_TOO_SLOW_MS = 2_000
"""An answer that took so long says nothing about a clock."""


class Ports(Protocol):
    """`wiring.Wiring` is one."""

    @property
    def settings(self) -> Settings: ...
    @property
    def channels(self) -> ChannelBook: ...
    @property
    def keys(self) -> Mapping[str, bytes]: ...
    @property
    def link_keys(self) -> Mapping[str, bytes]: ...
    @staticmethod
    def clock() -> Millis: ...


def side_by_side(looks: Mapping[str, Callable[[], T]], seconds: float) -> dict[str, T | Trouble]:
    """What each look came to; Trouble for one that raised an error of ours, or takes longer than `seconds`."""
    found: dict[str, T | Trouble] = {}

    def run(name: str) -> None:
        try:
            found[name] = looks[name]()
        except TocsinError as error:
            found[name] = Trouble(str(error))

    # Daemons: one that hangs in a driver must not keep the command from ending.
    threads = {name: threading.Thread(target=run, args=(name,), name=name, daemon=True) for name in looks}
    deadline = time.monotonic() + seconds
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    late = Trouble(f"there was no answer within {seconds:g} s")
    broken = Trouble("this look itself is broken; its trace is above, please report it")
    return {name: found.get(name, late if threads[name].is_alive() else broken) for name in looks}


def database(ports: Ports) -> Database | Nothing:
    """The server, its tables and its clock. Raises Unavailable."""
    settings = ports.settings
    url = settings.database_url.get_secret_value()
    if urlsplit(url).scheme == "sqlite" and not _sqlite_file(settings).exists():
        return Nothing(f"there is no file {_sqlite_file(settings)} yet")
    store = open_store(url, settings.tenant, settings.state_dir)

    def look(tx: Tx) -> Database:
        tx.now()  # so that connecting is not part of what is measured
        before = ports.clock()
        theirs = tx.now()
        took = ports.clock() - before
        revision = migrate.revision(store)
        standing = _standing(tx, ports) if revision >= migrate.NEWEST else None
        ahead = theirs - before - took // 2
        shown = redact_url(store.url)
        return Database(shown, server.describe(tx), took, ahead, revision, migrate.NEWEST, standing)

    try:
        return store.read(look)
    finally:
        store.close()


def _sqlite_file(settings: Settings) -> Path:
    name = urlsplit(settings.database_url.get_secret_value()).path.removeprefix("/")
    return settings.state_dir / (unquote(name) or "tocsin.db")


def _standing(tx: Tx, ports: Ports) -> Standing:
    now = tx.now()
    asked = own.Asked(now - own.GONE_MS, now + 1, _kinds(ports))
    rules = {str(row[1]): _number(row[2]) for row in own.read(tx, "tocsin_rules", asked)}
    ((_, unpublished, oldest),) = own.read(tx, "tocsin_outbox", asked)
    overdue = {str(row[2]): _number(row[4]) for row in own.read(tx, "tocsin_deliveries", asked)}
    failing = tuple(str(row[2]) for row in own.read(tx, "tocsin_channel", asked) if row[3])
    letters = {str(row[1]): _number(row[2]) for row in own.read(tx, "tocsin_dead_letters", asked)}
    built_in = [rule.id for rule in self_alerts.built_in().rules]
    on = sum(rule.enabled for rule in rule_rows.some(tx, built_in))
    return Standing(
        now,
        sum(rules.values()),
        rules.get(Health.ERROR.value, 0),
        listing.ticks_page(tx, limit=TICKS).items,
        _number(unpublished),
        _number(oldest),
        overdue,
        failing,
        letters,
        (on, len(built_in)),
        server.monitor_sources(tx),
    )


def _kinds(ports: Ports) -> dict[str, str]:
    try:
        return {channel.name: channel.kind for channel in ports.channels.channels}
    except InvalidInput:
        return {}  # the look at the channels tells


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else int(str(value or 0))


def metric_source(ports: Ports, source: Source, setting: str) -> MetricSource | Nothing:
    """One metric store: whether it answers, how fast, what it holds, and its clock. Raises Unavailable, QueryFailed."""
    from shared.metrics import open_metrics

    url = source.url.get_secret_value()
    parts = urlsplit(url)
    if parts.scheme == "embedded":
        file = ports.settings.state_dir / unquote(parts.path.removeprefix("/"))
        if not file.exists():
            return Nothing(f"there is no file {file} yet")
    store = open_metrics(url, source.token.get_secret_value(), ports.settings.state_dir, setting)
    try:
        began = time.monotonic()
        store.ping(PING_SECONDS)
        took = (time.monotonic() - began) * 1000
        count = len(store.discover())
    finally:
        store.close()
    return MetricSource(redact_url(url), took, count, _ahead(ports, url))


def _ahead(ports: Ports, url: str) -> int | None:
    """The store's clock, by the Date of its answer; None where it has none or is too slow to say."""
    import httpx

    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[2]
    if not scheme:
        return None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    before = ports.clock()
    try:
        answer = httpx.get(
            f"{scheme}://{host}:{parts.port or 8086}/ping", timeout=PING_SECONDS, trust_env=False
        )
        theirs = int(parsedate_to_datetime(answer.headers["date"]).timestamp() * 1000)
    except (httpx.HTTPError, KeyError, ValueError):
        return None  # whether it answers at all is told by the look that asks its data
    took = ports.clock() - before
    # A Date is cut to the second: on average it is half a second behind.
    return theirs + 500 - before - took // 2 if took < _CLOCK_TOO_SLOW_MS else None


def redis_server(ports: Ports) -> RedisServer | Nothing:
    """Redis, if there is one. Raises InvalidInput and Unavailable."""
    url = ports.settings.redis_url.get_secret_value()
    if not url:
        return Nothing("none is set")
    import redis

    from shared.leases import Leases

    Leases(url, ports.settings.tenant)  # refuses what is no URL of Redis
    try:
        with redis.Redis.from_url(
            url, socket_timeout=PING_SECONDS, socket_connect_timeout=PING_SECONDS
        ) as client:
            version = str(client.info("server").get("redis_version", "of an unknown version"))
            began = time.monotonic()
            client.ping()
            took = (time.monotonic() - began) * 1000
    except (redis.RedisError, OSError) as error:
        raise Unavailable("Redis", url, str(error).rstrip("."), "TOCSIN_REDIS_URL") from None
    return RedisServer(redact_url(url), version, took)


def channels(ports: Ports, environ: Mapping[str, str]) -> Channels | Nothing:
    """The channels file, and what their secrets come to where any are at hand. Raises InvalidInput."""
    file = ports.settings.channels_file
    if file is None:
        return Nothing("no file is named")
    book = ports.channels
    at_hand = ports.settings.secrets_dir is not None or any(
        name.startswith("TOCSIN_SECRET_") for name in environ
    )
    unusable: dict[str, str] = {}
    for channel in book.channels if at_hand else ():
        try:
            kind = load_kind(channel.kind)
            kind.address(Request("", b""), book.settings(channel), book.secrets(channel), ports.clock())
        except Misconfigured as error:
            unusable[channel.name] = str(error)
    kinds = {channel.name: channel.kind for channel in book.channels}
    defaults = sum(channel.default for channel in book.channels)
    return Channels(str(file), kinds, defaults, unusable if at_hand else None)


def public_page(ports: Ports) -> int | Nothing:
    """The status with which the function ack answers at its public address. Raises Unavailable."""
    import httpx

    url = ports.settings.public_url.rstrip("/")
    if not url:
        return Nothing("no address is set")
    try:
        answer = httpx.get(f"{url}/health/liveness", timeout=PING_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise Unavailable("the page of acknowledge links", url, str(error), "TOCSIN_PUBLIC_URL") from None
    if not answer.is_success:
        why = f"it answers {answer.status_code}"
        raise Unavailable("the page of acknowledge links", url, why, "TOCSIN_PUBLIC_URL")
    return answer.status_code
