"""The stack of a run: the laptop's manifests on MariaDB, Redis and InfluxDB, with rules, told to receivers at the wire.

This is the only part of a run that imports `shared`, and only to write the rules.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from knative.local.options import Options
from knative.local.stack import Stack
from shared.model import Monitor, Rule
from shared.store import monitors, rules
from shared.store.engine import Tx, open_store
from tests.soak._input import LIMIT, STEP, Input, watches_hosts
from tests.soak._servers import Servers, running_servers
from tests.soak._told import Receivers
from tests.support.flow_overlay import patch, quick, without
from tests.support.local_overlay import SERVING
from tests.support.processes import ROOT, free_port

KINDS = ("slack", "webhook", "pagerduty")
PEOPLE = 10
"""How many rules tell the channel on which a digest leaves none of them out."""
BEFORE_SECONDS = 12 * 3600
"""How far back the first slot lies, so that none comes to lie in the future."""
SETTINGS = {
    "TOCSIN_LATENESS_SECONDS": "0",
    "TOCSIN_MAX_SKEW_INTERVALS": "100000",
    "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
}
_CHANNELS = """
channels:
  - {name: crowd, kind: slack}
  - {name: people, kind: slack}
  - {name: hook, kind: webhook}
  - {name: pager, kind: pagerduty, settings: {base_url: "%s"}}
"""
_UNUSED = ("mcp-server", "write")
"""Functions that no event and no tick of a run reaches: a small run does without them."""


@dataclass
class Stage:
    """Everything that a run has in its hands."""

    stack: Stack
    servers: Servers
    receivers: Receivers
    given: Input
    people: frozenset[str]

    def busy(self) -> list[str]:
        """The functions that are at work on a request, whoever sent it and whether he still waits for it or not."""
        return [
            name
            for name, pid in self.stack.pids.items()
            if pid and _at_work(pid, self.stack.service_url(name))
        ]


@contextmanager
def opened(folder: Path, count: int, seed: int, *, hang_seconds: float, whole: bool) -> Iterator[Stage]:
    """`count` rules; `whole`: with the functions that nothing reaches as well."""
    start = (int(time.time()) - BEFORE_SECONDS) * 1000 // STEP * STEP
    given = Input([f"r{number:04d}" for number in range(count)], seed, start)
    receivers = Receivers()
    with running_servers(folder / "servers", hang_seconds) as servers, receivers.sink:
        env = {
            **SETTINGS,
            "TOCSIN_DATABASE_URL": servers.database_url,
            "TOCSIN_METRICS_URL": servers.metrics_url,
            "TOCSIN_REDIS_URL": servers.redis.url,
        }
        overlay = _write_overlay(folder / "overlay", receivers.sink.url, whole=whole)
        options = Options(env, frozenset({"redis", "inbox", "demo-site"}), ticks=False, port_base=free_port())
        with Stack(overlay, folder / "state", options=options) as stack:
            alone = [rule for number, rule in enumerate(given.rules) if not watches_hosts(number)]
            people = frozenset(alone[:PEOPLE])
            _write_rules(servers.database_url, given, people)
            yield Stage(stack, servers, receivers, given, people)


def _write_overlay(folder: Path, receivers: str, *, whole: bool) -> Path:
    secrets = {
        "slack": {f"{name}.url": f"{receivers}/slack/{name}" for name in ("crowd", "people")},
        "webhook": {
            "hook.url": f"{receivers}/webhook",
            "hook.signing_key": "whsec_c29hayBrZXksIG5vdCBhIHNlY3JldCBhdCBhbGw=",
        },
        "pagerduty": {"pager.routing_key": "soak0not0a0secret000000000000000"},
    }
    unused = () if whole else _UNUSED
    changes: list[dict[str, Any]] = [
        # Waits between retries are real time, and the run's is not: a tenth of a cluster's.
        *(quick(kind, backoffDelay="PT0.1S") for kind in KINDS),
        *without(KINDS),
        *({**patch(SERVING, "Service", name, {}), "$patch": "delete"} for name in unused),
        {**patch("batch/v1", "Job", "demo", {}), "$patch": "delete"},
        *(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"tocsin-channel-{kind}"},
                "stringData": values,
            }
            for kind, values in secrets.items()
        ),
    ]
    folder.mkdir(parents=True)
    (folder / "channels.yaml").write_text(_CHANNELS % receivers, encoding="utf-8")
    fields = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "tocsin",
        "resources": [str(ROOT / "knative" / "overlays" / "laptop")],
        "generatorOptions": {"disableNameSuffixHash": True},
        "configMapGenerator": [{"name": "tocsin-channels", "behavior": "merge", "files": ["channels.yaml"]}],
        "patches": [{"patch": yaml.safe_dump(change)} for change in changes],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    return folder


def _write_rules(database_url: str, given: Input, people: frozenset[str]) -> None:
    """A rule that fires above the limit at once and resolves at once, without grouping and cooldown."""

    def insert(tx: Tx) -> None:
        for number, name in enumerate(given.rules):
            key = ("host",) if watches_hosts(number) else ()
            monitor = Monitor(id=f"mon_{name}", name=name, measurement="soak", where={"rule": name}, key=key)
            rule = Rule.model_validate(
                {
                    "id": name,
                    "monitor_id": monitor.id,
                    "title": name,
                    "condition": {"type": "threshold", "field": "value", "operator": ">", "value": LIMIT},
                    "severity": "high",
                    "cooldown_seconds": 0,
                    "group_seconds": 0,
                    "channels": ["hook", "pager", "crowd", *(["people"] if name in people else [])],
                }
            )
            monitors.insert(tx, monitor, given.start)
            rules.insert(tx, rule, given.start)

    store = open_store(database_url, "default")
    store.write(insert)
    store.close()


def _at_work(pid: int, url: str) -> bool:
    """Whether a process of that group holds a connection to its own port: one whose client left counts too."""
    port = int(url.rpartition(":")[2])
    try:
        master = psutil.Process(pid)
        group = [master, *master.children(recursive=True)]
        return any(
            one.laddr[1:] == (port,) and one.status in (psutil.CONN_ESTABLISHED, psutil.CONN_CLOSE_WAIT)
            for process in group
            for one in process.net_connections("tcp")
        )
    except psutil.NoSuchProcess:
        return False
