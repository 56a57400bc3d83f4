"""Tocsin and Prometheus side by side: the same rules on the same series, every 30 seconds, stores included.

Ten rules for each series, each an average over five minutes; one series in ten breaches all of its rules. Prometheus
scrapes the values that InfluxDB is sent, at the same pace; neither has any history when it begins.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from tests.bench import _processes
from tests.bench._figures import Figure, Row
from tests.bench._fleet import INTERVAL, MEASUREMENT, Fleet, monitor_row, name, rule_row, write_rows
from tests.bench._lab import Evaluator, Lab, Ticked, evaluator, row_of
from tests.support.processes import Child, accepts_connections, free_port
from tests.support.servers import require
from tests.support.sink import Reply, Sink
from tests.support.waiting import wait_until

_RULES_PER_SERIES = 10
_RULES_PER_GROUP = 100
_POINTS_PER_TICK = 3
_USUAL, _HIGH = 50.0, 200.0


@dataclass(frozen=True, slots=True)
class _Work:
    """How many rules were evaluated, and what CPU that took, seconds."""

    evaluations: float
    cpu: float

    @property
    def per_second(self) -> float:
        """Evaluations per CPU-second."""
        return self.evaluations / self.cpu

    def since(self, before: "_Work") -> "_Work":
        """What came after `before`."""
        return _Work(self.evaluations - before.evaluations, self.cpu - before.cpu)


def rows(lab: Lab) -> Iterator[Row]:
    """Evaluations per CPU-second of the one over those of the other."""
    count, seconds = lab.options.rules // 10, lab.options.side_by_side_seconds
    # At full length the interval is the usual one; a short trial has a shorter one.
    interval = min(INTERVAL, max(1, seconds // 5))
    fleet = _fleet(lab, count)
    lab.say(f"Tocsin and Prometheus beside each other for {seconds} s")
    with _prometheus(lab.folder / "prometheus", count, interval) as other, evaluator(lab, fleet) as running:
        pids = [running.process.pid, lab.pid("influxd"), lab.pid("mariadbd")]
        _ticks(running, 2, interval)
        ours, theirs = sum(map(_processes.cpu_seconds, pids)), other.work()
        done = _ticks(running, max(1, seconds // interval), interval)
        mine = _Work(len(done) * count, sum(map(_processes.cpu_seconds, pids)) - ours)
        its = other.work().since(theirs)
        yield row_of("beside Prometheus", fleet, done, None, running.peak_mb)
    how = f"{mine.per_second:,.0f} ({mine.cpu:.1f} s) over {its.per_second:,.0f} ({its.cpu:.1f} s)"
    yield Figure("evals_per_cpu_over_prometheus", mine.per_second / its.per_second, how)


def _values(count: int) -> Iterator[tuple[str, float]]:
    """What each series says, for so many rules; the same all the time."""
    for number in range(count // _RULES_PER_SERIES):
        yield name(number), _HIGH if number % 10 == 0 else _USUAL


def _limit(number: int) -> float:
    """What a rule compares with: every rule of a series with something else."""
    return 100.0 + number % _RULES_PER_SERIES


# ------------------------------------------------------------------ Tocsin


def _fleet(lab: Lab, count: int) -> Fleet:
    """Rules on series that nobody has written yet."""
    metrics_url = lab.stack.enter_context(lab.influxdb.database())
    fleet = Fleet("beside", count, 0, lab.database_url, metrics_url, lab.slot)
    store = lab.store(fleet)
    write_rows(
        store,
        map(monitor_row, range(count // _RULES_PER_SERIES)),
        (
            rule_row(number, number // _RULES_PER_SERIES, "value", ">", _limit(number), "avg")
            for number in range(count)
        ),
    )
    store.close()
    return fleet


def _ticks(running: Evaluator, count: int, interval: int) -> list[Ticked]:
    """Send points several times per interval, and evaluate at the end of each."""
    done = []
    for _ in range(count):
        end = (int(time.time()) // interval + 1) * interval
        for part in range(_POINTS_PER_TICK, 0, -1):
            _wait(end - interval * (part - 0.5) / _POINTS_PER_TICK)
            at = time.time_ns() // 1_000_000
            running.fleet.write(
                f"{MEASUREMENT},monitor_id={series} value={value} {at}"
                for series, value in _values(running.fleet.count)
            )
        _wait(end)
        done.append(running.at(end * 1000, interval))
    return done


def _wait(moment: float) -> None:
    wait_until(lambda: time.time() >= moment, "the next moment", 60)


# ------------------------------------------------------------------ Prometheus


@dataclass(frozen=True, slots=True)
class _Prometheus:
    url: str
    pid: int

    def work(self) -> _Work:
        """So far."""
        text = httpx.get(f"{self.url}/metrics", timeout=10, trust_env=False).text
        counted = re.findall(r"^prometheus_rule_evaluations_total\S* (\S+)$", text, re.MULTILINE)
        return _Work(sum(map(float, counted)), _processes.cpu_seconds(self.pid))


@contextmanager
def _prometheus(folder: Path, count: int, interval: int) -> Iterator[_Prometheus]:
    """A server that scrapes the same values and has the same rules."""
    folder.mkdir()
    page = "".join(f'checks{{monitor_id="{series}"}} {value}\n' for series, value in _values(count))
    port = free_port()
    with Sink(Reply(200, {"Content-Type": "text/plain; version=0.0.4"}, page)) as target:
        (folder / "rules.yml").write_text(yaml.safe_dump({"groups": list(_groups(count))}))
        (folder / "prometheus.yml").write_text(_config(target.port, interval))
        command = [
            require("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        child = Child(command, folder)
        try:
            child.wait_ready(lambda: accepts_connections(port), 60)
            yield _Prometheus(f"http://127.0.0.1:{port}", child.process.pid)
        finally:
            child.stop()


def _config(port: int, interval: int) -> str:
    """Scrape as often as points are sent, evaluate as often as Tocsin ticks."""
    scrape = {"job_name": "checks", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    every = f"{interval * 1000 // _POINTS_PER_TICK}ms"
    timing = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": f"{interval}s"}
    return yaml.safe_dump({"global": timing, "rule_files": ["rules.yml"], "scrape_configs": [scrape]})


def _groups(count: int) -> Iterator[dict[str, object]]:
    for first in range(0, count, _RULES_PER_GROUP):
        numbers = range(first, min(first + _RULES_PER_GROUP, count))
        yield {"name": f"g{first}", "rules": [_rule(number) for number in numbers]}


def _rule(number: int) -> dict[str, str]:
    series = name(number // _RULES_PER_SERIES)
    expression = f'avg_over_time(checks{{monitor_id="{series}"}}[5m]) > {_limit(number)}'
    return {"alert": f"rule_{name(number)}", "expr": expression}
