"""Overlays that only kubectl can render, and what of them one machine can't run: named, with what stands in for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from knative.local.addresses import Addresses
from knative.local.environment import environment
from knative.local.errors import LocalError, ManifestError
from knative.local.overlay import Overlay, read_overlay
from knative.local.rendering import objects_of
from knative.local.stack import PACKAGES, find_overlay
from tests.support.local_overlay import (
    EVENTING,
    SOURCES,
    config_map,
    ref,
    service,
    thing,
    write_overlay,
)

DATABASE, REDIS = "mysql://database/tocsin", "redis://redis:6379/0"


def server(name: str, stand_in: str = "") -> dict[str, Any]:
    """A StatefulSet as a component has it, with its Service."""
    return thing(
        "apps/v1", "StatefulSet", name, {}, annotations={"tocsin.dev/stand-in": stand_in} if stand_in else {}
    )


def overlay_with_component(folder: Path) -> Path:
    """Functions in the overlay, their servers in a component, a generated Secret whose name has a hash."""
    names = [{"kind": "Secret", "version": "v1", "fieldSpecs": [{"path": _PATH, "kind": "Service"}]}]
    folder.mkdir(parents=True)
    (folder / "references.yaml").write_text(yaml.safe_dump({"nameReference": names}), encoding="utf-8")
    component = folder / "servers"
    deployment = {"subject": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "toolbox"}}
    write_overlay(
        component,
        server("mariadb", "DATABASE_URL=sqlite:///here.db\nNOBODY_TAKES=1"),
        server("redis"),
        thing("v1", "Service", "mariadb", {}),
        thing("apps/v1", "Deployment", "toolbox", {}),
        thing(SOURCES, "SinkBinding", "toolbox", {**deployment, "sink": ref("Broker", "main")}),
    )
    fields = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "resources": ["all.yaml"],
    }
    (component / "kustomization.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    taking = [{"secretRef": {"name": "addresses"}}]
    secret = {
        "name": "addresses",
        "literals": [f"DATABASE_URL={DATABASE}", f"REDIS_URL={REDIS}", f"LONG={'x' * 200}"],
    }
    kafka = {"eventing.knative.dev/broker.class": "Kafka"}
    write_overlay(
        folder,
        thing(EVENTING, "Broker", "main", {}, annotations=kafka),
        service("taker", envFrom=taking),
        service("other", env=[{"name": "PLAIN", "value": "1"}]),
        config_map("unused", a="1"),
        components=["servers"],
        configurations=["references.yaml"],
        secretGenerator=[secret],
        generatorOptions={},
    )
    return folder


_PATH = "spec/template/spec/containers/envFrom/secretRef/name"


def seen(overlay: Overlay, name: str) -> dict[str, str]:
    """The environment of a Service's process."""
    workload = next(one for one in overlay.services if one.name == name)
    addresses = Addresses({("tocsin", one.name): 1 for one in overlay.services}, 2, {})
    return environment(
        overlay,
        workload,
        caller={},
        addresses=addresses,
        mounts={},
        overrides={},
        state=Path("/state"),
        port=1,
    )


def test_an_overlay_with_components_is_rendered_by_kubectl_and_what_cannot_run_is_named(
    tmp_path: Path,
) -> None:
    folder = overlay_with_component(tmp_path / "over")
    overlay = read_overlay(objects_of(folder, tmp_path))
    assert sorted(one.name for one in overlay.services) == ["other", "taker"]
    assert sorted(overlay.absent) == [
        "Broker main of class Kafka (instead: one in memory)",
        "Deployment toolbox",
        "StatefulSet mariadb (instead: DATABASE_URL=sqlite:///here.db, NOBODY_TAKES=1)",
        "StatefulSet redis",
    ]
    assert overlay.bindings == []


def test_what_stands_in_reaches_the_functions_that_take_it_and_no_others(tmp_path: Path) -> None:
    overlay = read_overlay(objects_of(overlay_with_component(tmp_path / "over"), tmp_path))
    taker, other = seen(overlay, "taker"), seen(overlay, "other")
    assert (taker["DATABASE_URL"], taker["REDIS_URL"]) == ("sqlite:///here.db", REDIS)
    assert taker["LONG"] == "x" * 200  # kustomize breaks its base64 into lines
    assert "NOBODY_TAKES" not in taker
    assert "DATABASE_URL" not in other


def test_without_kubectl_the_error_says_what_needs_it_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = overlay_with_component(tmp_path / "over")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    wanted = r"over/kustomization.yaml uses \w+, which only kubectl renders, .* install it: `pip install kubectl-cli-"
    with pytest.raises(LocalError, match=wanted):
        objects_of(folder, tmp_path)


def test_what_kubectl_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    folder = write_overlay(tmp_path / "over", service("echo"), components=["nowhere"])
    with pytest.raises(LocalError, match=r"kubectl can't render .*over: .*nowhere"):
        objects_of(folder, tmp_path)


def test_a_manifest_that_cannot_be_honoured_stays_an_error_and_is_not_rendered_away(tmp_path: Path) -> None:
    folder = write_overlay(tmp_path / "over", service("echo") | {"surprise": 1})
    with pytest.raises(ManifestError, match="surprise = 1 is not supported"):
        read_overlay(objects_of(folder, tmp_path))


@pytest.mark.parametrize("line", ["no pair", "=1"])
def test_a_stand_in_that_is_no_variable_is_refused(tmp_path: Path, line: str) -> None:
    folder = write_overlay(tmp_path / "over", server("mariadb", line))
    with pytest.raises(ManifestError, match=r"tocsin.dev/stand-in = .* Supported: KEY=VALUE"):
        read_overlay(objects_of(folder, tmp_path))


OVERLAYS = sorted(
    path.parent.name for path in (PACKAGES / "knative" / "overlays").glob("*/kustomization.yaml")
)


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_can_be_read_and_each_server_that_it_lacks_has_a_stand_in(name: str) -> None:
    overlay = read_overlay(objects_of(find_overlay(name, PACKAGES), PACKAGES))
    assert {"evaluate", "notify-slack", "mcp-server"} <= {one.name for one in overlay.services}
    assert [text for text in overlay.absent if text.startswith("StatefulSet") and "instead" not in text] == []
