"""Delivering: events through a notify function under functions-framework to a sink, on MariaDB, one delivery each."""

import base64
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import urllib3
from sqlalchemy import func, select

from shared.events import Event, sign
from shared.store.engine import Store, open_store
from shared.store.tables import deliveries
from tests.bench import _processes
from tests.bench._figures import Figure, Row
from tests.bench._lab import Lab
from tests.support.deliveries import alert, announce_all, binary, notification
from tests.support.functions import FunctionProcess, running_function
from tests.support.processes import ROOT
from tests.support.sink import Reply, Request, Sink
from tests.support.waiting import wait_until

AT_ONCE = 10
"""What a Knative container takes at a time: `containerConcurrency` of its manifest."""
MOST = 5_000
_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_EVENT_KEY = b"a key of the bench, and of nothing else"
_CHANNELS = """
channels:
  - {name: bot, kind: webhook}
  - {name: ops, kind: slack}
"""
_BARE = """
import functions_framework
%s

@functions_framework.http
def bare(request):
    return "", 204
"""
_STACK = "import httpx, pydantic, pymysql, sqlalchemy, yaml"


def rows(lab: Lab) -> Iterator[Row]:
    """A queue of events, single events, a storm, and cold starts."""
    count = min(lab.options.rules, 1_000)
    with Sink(Reply(204)) as sink, _Notifier(lab, sink) as notifier:
        lab.say(f"{count:,} events for a webhook")
        with running_function("notify_webhook", notifier.env) as process:
            yield from _throughput(notifier, process, count)
            yield from _latency(notifier, process, max(count // 5, 20))
    with Sink(Reply(200, body="ok")) as sink, _Notifier(lab, sink) as notifier:
        storm = min(lab.options.rules, MOST)
        lab.say(f"{storm:,} alerts for one Slack channel")
        yield _storm(notifier, storm)
    lab.say("cold starts")
    yield from _cold_starts(lab)


class _Notifier:
    """A tenant with two channels, and the environment of its notify functions."""

    def __init__(self, lab: Lab, sink: Sink) -> None:
        self.sink, self.tenant = sink, f"deliver{sink.port}"
        channels = lab.folder / f"{self.tenant}.yaml"
        channels.write_text(_CHANNELS)
        self.env = {
            "TOCSIN_DATABASE_URL": lab.database_url,
            "TOCSIN_TENANT": self.tenant,
            "TOCSIN_STATE_DIR": str(lab.folder),
            "TOCSIN_CHANNELS_FILE": str(channels),
            "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
            "TOCSIN_SECRET_BOT_URL": f"{sink.url}/hook",
            "TOCSIN_SECRET_BOT_SIGNING_KEY": _KEY,
            "TOCSIN_EVENT_KEYS": f"k1:{base64.b64encode(_EVENT_KEY).decode()}",
            "TOCSIN_SECRET_OPS_URL": f"{sink.url}/services/ops",
            "TOCSIN_LOG_LEVEL": "WARNING",
            "WORKERS": "1",
            "THREADS": "12",
            "PYTHONPATH": str(ROOT),
        }
        self.store: Store = open_store(lab.database_url, self.tenant)
        self._made = 0

    def __enter__(self) -> "_Notifier":
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def events(self, count: int, place: tuple[str, str, str]) -> list[Event]:
        """So many rules have something to tell, each by an event with one delivery."""
        self._made += count
        made = [
            notification(
                1,
                alerts=[alert(number)],
                tenant=self.tenant,
                rule={"id": f"rule_{number}", "title": f"Rule {number}"},
            )
            for number in range(self._made - count, self._made)
        ]
        return [sign(event, {"k1": _EVENT_KEY}) for event in announce_all(self.store, made, [place])]

    def open(self) -> int:
        """How many deliveries are not final."""
        query = select(func.count()).where(
            deliveries.c.tenant == self.tenant, deliveries.c.next_at.is_not(None)
        )
        return self.store.read(lambda tx: int(tx.conn.execute(query).scalar_one()))


def _poster(url: str, at_once: int) -> Callable[[Event], int]:
    pool = urllib3.PoolManager(maxsize=at_once, block=True, retries=False, timeout=60)

    def post(event: Event) -> int:
        headers, body = binary(event)
        return pool.request("POST", url, body=body, headers=headers).status

    return post


def _throughput(notifier: _Notifier, process: FunctionProcess, count: int) -> Iterator[Row]:
    first, *queue = notifier.events(count + 1, ("webhook", "bot", ""))
    post = _poster(process.url, AT_ONCE)
    assert post(first) == 204, process.stdout
    with _processes.spending(process.pid) as spent, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = set(pool.map(post, queue))
    assert answers == {204}, process.stdout[-3000:]
    assert len(notifier.sink.requests) == count + 1
    yield Figure("webhook_deliveries_per_s", count / spent.wall, f"{count:,} events, {AT_ONCE} at a time")
    yield Figure("webhook_cpu_ms_per_delivery", spent.cpu / count * 1000, "of the function's processes")


def _latency(notifier: _Notifier, process: FunctionProcess, count: int) -> Iterator[Row]:
    called = threading.Event()
    at = 0.0

    def answer(_: Request) -> Reply:
        nonlocal at
        at = time.perf_counter()
        called.set()
        return Reply(204)

    taken: list[float] = []
    post = _poster(process.url, 1)
    notifier.sink.answer = answer
    for event in notifier.events(count + 1, ("webhook", "bot", "")):
        called.clear()
        started = time.perf_counter()
        assert post(event) == 204, process.stdout
        assert called.is_set()
        taken.append((at - started) * 1000)
    notifier.sink.answer = None
    taken = sorted(taken[1:])
    yield Figure("event_to_call_p50_ms", statistics.median(taken), f"{count} events, one after the other")
    yield Figure("event_to_call_p99_ms", taken[int(len(taken) * 0.99)])


def _storm(notifier: _Notifier, count: int) -> Row:
    events = notifier.events(count, ("slack", "ops", ""))
    with running_function("notify_slack", notifier.env) as process, ThreadPoolExecutor(AT_ONCE) as pool:
        post = _poster(process.url, AT_ONCE)
        started = time.perf_counter()
        answers = set(pool.map(post, events))
        wait_until(lambda: not notifier.open(), "every row is final", within=600)
        seconds = time.perf_counter() - started
        assert answers == {204}, process.stdout[-3000:]
    made = len(notifier.sink.requests)
    return Figure("storm_5000_accounted_s", seconds, f"{count:,} events, {made} messages")


def _cold_starts(lab: Lab) -> Iterator[Row]:
    folder = lab.folder / "bare"
    folder.mkdir()
    seconds: dict[str, list[float]] = {"notify": [], "stack": [], "bare": []}
    with Sink(Reply(204)) as sink, _Notifier(lab, sink) as notifier:
        for _ in range(lab.options.repeat):
            (event,) = notifier.events(1, ("webhook", "bot", ""))
            seconds["notify"].append(
                _first_answer("notify_webhook", None, notifier.env, lambda p, e=event: _poster(p.url, 1)(e))  # type: ignore[misc]
            )
            for name, imports in (("stack", _STACK), ("bare", "")):
                source = folder / f"{name}.py"
                source.write_text(_BARE % imports)
                seconds[name].append(_first_answer("bare", source, {}, lambda _: 204))
    notify, stack, bare = (statistics.median(seconds[name]) for name in ("notify", "stack", "bare"))
    made_from = f"{notify:.2f} s, {stack:.2f} s with the five libraries, {bare:.2f} s with none"
    yield Figure("notify_cold_start_over_stack", notify / stack, made_from)
    yield Figure("notify_cold_start_over_bare", notify / bare)


def _first_answer(
    target: str, source: Path | None, env: dict[str, str], post: Callable[[FunctionProcess], int]
) -> float:
    """Seconds from the start of the process to its first 204."""
    started = time.perf_counter()
    with running_function(target, env, source=source, ready=None) as process:
        assert post(process) == 204, process.stdout
        return time.perf_counter() - started
