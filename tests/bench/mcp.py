"""The conversation: a cold start, calls at once, and lists over many alerts and rules in MariaDB beside empty ones."""

import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from typing import Any

import urllib3

from shared.store.engine import Store, Tx, open_store
from shared.store.tables import alerts
from tests.bench import _processes
from tests.bench._figures import Figure, Row
from tests.bench._fleet import monitor_row, name, rule_row, write_rows
from tests.bench._lab import Lab
from tests.support.functions import FunctionProcess, running_function
from tests.support.processes import ROOT

RULES, ALERTS_PER_RULE = 10_000, 10
AT_ONCE = 4
CALLS = 600
"""Of each: so many that the slowest in a hundred is not one single call."""
_ROWS = 5_000
_HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
_HOUR = 3_600_000
Call = Mapping[str, Any]


def rows(lab: Lab) -> Iterator[Row]:
    """A tenant with a tenth of the rules, at most 10,000, each with ten alerts; and one with nothing."""
    count = max(min(lab.options.rules // 10, RULES), 1)
    lab.say(f"writing {count:,} rules and {count * ALERTS_PER_RULE:,} alerts")
    _fill(lab, count)
    yield _start(lab)
    with _server(lab, "mcp-full") as full, _server(lab, "mcp-empty") as empty:
        lab.say("lists by turns, of many alerts and of none")
        yield _lists(full, empty, _asked(lab, count), CALLS if lab.options.repeat > 1 else 20)
        lab.say(f"calls, {AT_ONCE} at a time")
        yield _at_once(full, CALLS if lab.options.repeat > 1 else 20)
        yield Figure(
            "mcp_rss_mb", _processes.peak_mb(full.pid), "the most that its process held after all that"
        )


def _fill(lab: Lab, count: int) -> None:
    store = open_store(lab.database_url, "mcp-full")
    made = (rule_row(number, number, "price", ">", 60_000 + number, "latest") for number in range(count))
    write_rows(store, map(monitor_row, range(count)), made)
    _insert(store, (_alert(lab.slot, number, count) for number in range(count * ALERTS_PER_RULE)))
    store.close()


def _insert(store: Store, made: Iterator[dict[str, Any]]) -> None:
    while some := list(islice(made, _ROWS)):
        store.write(partial(Tx.insert, table=alerts, rows=some))


def _alert(now: int, number: int, rules: int) -> dict[str, Any]:
    """One in fifty still fires, half of those are acknowledged; one in 250 is critical. All are of the last 30 days."""
    fired_at, fires = now - number * 26_000, number % 50 == 0
    return {
        "id": f"alert_{number * 7919 % 1_000_003:06d}{number:06d}",
        "rule_id": f"rule_{name(number % rules)}",
        "series_id": f"series{number:012d}",
        "key": json.dumps([f"mon_{name(number % rules)}", [["host", f"web{number % 97}"]]]),
        "monitor_id": f"mon_{name(number % rules)}",
        "title": f"Rule {name(number % rules)}",
        "state": "firing" if fires else "resolved",
        "open_key": "open" if fires else f"alert{number}",
        "severity": 4 if number % 250 == 50 else number % 3 + 1,
        "value": float(number),
        "started_at": fired_at,
        "fired_at": fired_at,
        "resolved_at": None if fires else fired_at + _HOUR,
        "reason": "" if fires else "recovered",
        "acked_at": fired_at if fires and number % 100 == 0 else None,
        "announced": True,
    }


def _asked(lab: Lab, count: int) -> Sequence[Call]:
    """What people ask: the last ones, what is open, what is worst, of one rule, of one night."""
    night = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(lab.slot / 1000 - 5 * 86_400))
    return (
        {},
        {"state": "open"},
        {"state": "unacknowledged", "severity": "critical"},
        {"severity": "critical", "limit": 100},
        {"rule_id": f"rule_{name(count // 2)}"},
        {"rule_id": f"Rule {name(count // 2)}"},
        {"since": night, "limit": 50},
        {"state": "resolved", "until": night},
    )


def _server(lab: Lab, tenant: str) -> Any:
    env = {
        "FUNCTION_USE_ASGI": "true",
        "TOCSIN_DATABASE_URL": lab.database_url,
        "TOCSIN_TENANT": tenant,
        "TOCSIN_STATE_DIR": str(lab.folder),
        "TOCSIN_MCP_AUTH": "none",
        "TOCSIN_LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }
    return running_function("mcp_server", env, ready=None)


class _Caller:
    """One connection of a client that needs no handshake."""

    def __init__(self, process: FunctionProcess) -> None:
        self._process = process
        self._pool = urllib3.PoolManager(maxsize=AT_ONCE, block=True, retries=False, timeout=60)

    def ask(self, given: Call, tool: str = "list_alerts") -> dict[str, Any]:
        """The structured result. An answer that is none ends the bench."""
        asked = {"name": tool, "arguments": given}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked})
        answer = self._pool.request("POST", f"{self._process.url}/mcp", body=body, headers=_HEADERS)
        assert answer.status == 200, answer.data
        (line,) = [line for line in answer.data.decode().splitlines() if line.startswith("data: {")]
        result = json.loads(line.removeprefix("data: "))["result"]
        assert not result.get("isError"), result
        return dict(result["structuredContent"])


def _start(lab: Lab) -> Row:
    seconds = []
    for _ in range(lab.options.repeat):
        started = time.perf_counter()
        with _server(lab, "mcp-full") as process:
            assert _Caller(process).ask({"limit": 10})["items"]
            seconds.append(time.perf_counter() - started)
    return Figure("mcp_start_to_first_result_s", statistics.median(seconds), "list_alerts over MariaDB")


def _lists(full: FunctionProcess, empty: FunctionProcess, asked: Sequence[Call], count: int) -> Row:
    callers = {"full": _Caller(full), "empty": _Caller(empty)}
    taken: dict[str, list[float]] = {name: [] for name in callers}
    found = [given for given in asked if callers["full"].ask(given)["items"]]  # and it is warm now
    assert len(found) == len(asked) or count < CALLS, "a list of nothing would be too quick"
    for given in islice(cycle(asked), count):
        for who, caller in callers.items():
            # A rule that is not there is refused, which would be quicker than a list.
            fair = {key: value for key, value in given.items() if who == "full" or key != "rule_id"}
            started = time.perf_counter()
            caller.ask(fair)
            taken[who].append((time.perf_counter() - started) * 1000)
    late = {who: sorted(some)[int(len(some) * 0.99)] for who, some in taken.items()}
    how = f"{count} calls: {late['full']:.1f} ms, {late['empty']:.1f} ms of an empty tenant"
    return Figure("list_alerts_p99_over_empty_ms", late["full"] - late["empty"], how)


def _at_once(process: FunctionProcess, count: int) -> Row:
    caller = _Caller(process)
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(caller.ask, [{"limit": 10}] * count))
    assert all(one["items"] for one in found)
    return Figure(
        "mcp_calls_per_s", count / (time.perf_counter() - started), f"list_alerts, {AT_ONCE} at a time"
    )
