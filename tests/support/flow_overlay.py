"""The laptop overlay as the flow tests run it: a cluster's slots, quick retries, and only the functions they need."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from shared.channels import kinds as every_kind
from tests.support.local_overlay import EVENTING, SERVING, SOURCES
from tests.support.processes import ROOT

INTERVAL = 30
KINDS = every_kind()


def write_overlay(folder: Path, broker: str, kinds: Collection[str]) -> Path:
    """The overlay with functions for these kinds only, and `broker` in the Broker's place."""
    changes: list[dict[str, Any]] = [
        patch(
            SOURCES,
            "PingSource",
            "tick",
            {"data": f'{{"interval_seconds": {INTERVAL}}}', "schedule": f"*/{INTERVAL} * * * * *"},
        ),
        patch(SOURCES, "SinkBinding", "evaluate", {"sink": {"ref": None, "uri": broker}}),
        *(quick(kind, backoffDelay="PT0.3S") for kind in ("slack", "email") if kind in kinds),
        # One retry: this is the channel whose events are given up.
        *(quick(kind, retry=1, backoffDelay="PT0.1S") for kind in ("webhook",) if kind in kinds),
        *without(kinds),
    ]
    folder.mkdir(parents=True)
    fields = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "tocsin",
        "resources": [str(ROOT / "knative" / "overlays" / "laptop")],
        "generatorOptions": {"disableNameSuffixHash": True},
        "patches": [{"patch": yaml.safe_dump(change)} for change in changes],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(fields))
    return folder


def without(kinds: Collection[str]) -> list[dict[str, Any]]:
    """What nobody here asks for and every start would pay for: a second of a processor for each function."""
    monitors = [
        (version, kind, name)
        for name in ("monitor-host", "monitor-http")
        for version, kind in ((SOURCES, "PingSource"), (SERVING, "Service"))
    ]
    notify = [
        (version, kind, f"notify-{name}")
        for name in KINDS
        if name not in kinds
        for version, kind in ((EVENTING, "Trigger"), (SERVING, "Service"))
    ]
    acknowledge = [(SOURCES, "SinkBinding", "ack"), (SERVING, "Service", "ack")]
    retention = [(SOURCES, "PingSource", "retention"), (SERVING, "Service", "retention")]
    if set(kinds) == set(KINDS):
        retention = []  # one stack has everything that a test asks for
    return [
        {**patch(version, kind, name, {}), "$patch": "delete"}
        for version, kind, name in [*monitors, *notify, *acknowledge, *retention]
    ]


def quick(kind: str, **delivery: Any) -> dict[str, Any]:
    """A patch of how the events of one kind are delivered."""
    return patch(EVENTING, "Trigger", f"notify-{kind}", {"delivery": delivery})


def patch(version: str, kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A strategic merge of one object's spec."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
