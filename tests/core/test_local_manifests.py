"""What the local runner reads out of manifests, and what it refuses with one clear error."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from knative.local.errors import LocalError, ManifestError
from knative.local.resources import INSTALL_DEFAULT, Destination
from tests.support.local_overlay import (
    EVENTING,
    SOURCES,
    config_map,
    loaded,
    ref,
    service,
    thing,
    write_overlay,
)

PING = thing(SOURCES, "PingSource", "tick", {"schedule": "*/30 * * * * *", "sink": ref("Service", "echo")})


def trigger(**spec: Any) -> dict[str, Any]:
    return thing(EVENTING, "Trigger", "t", {"broker": "main", "subscriber": ref("Service", "echo"), **spec})


BROKER = thing(EVENTING, "Broker", "main")


def test_folders_namespaces_labels_and_generated_configuration_are_built_as_kustomize_would(
    tmp_path: Path,
) -> None:
    base = write_overlay(
        tmp_path / "base", service("echo"), configMapGenerator=[{"name": "c", "literals": ["A=1", "B='2'"]}]
    )
    (base / "extra.txt").write_text("text", encoding="utf-8")
    (tmp_path / "over").mkdir()
    (tmp_path / "over" / "note.txt").write_text("note", encoding="utf-8")
    overlay = loaded(
        tmp_path / "over",
        resources=["../base"],
        configMapGenerator=[{"name": "c", "behavior": "merge", "literals": ["A=3"], "files": ["N=note.txt"]}],
        labels=[{"pairs": {"part": "laptop"}, "includeSelectors": False}],
    )
    assert overlay.config_maps == {("tocsin", "c"): {"A": "3", "B": "2", "N": "note"}}
    assert overlay.services[0].labels == {"part": "laptop"}


def test_a_patch_merges_mappings_and_can_delete_an_object(tmp_path: Path) -> None:
    faster = {
        "apiVersion": SOURCES,
        "kind": "PingSource",
        "metadata": {"name": "tick"},
        "spec": {"schedule": "*/5 * * * * *"},
    }
    gone = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "$patch": "delete"}
    (tmp_path / "over").mkdir()
    (tmp_path / "over" / "gone.yaml").write_text(yaml.safe_dump(gone), encoding="utf-8")
    patches = [{"patch": yaml.safe_dump(faster)}, {"path": "gone.yaml"}]
    overlay = loaded(tmp_path / "over", service("echo"), PING, config_map("c", A="1"), patches=patches)
    assert overlay.pings[0].schedule == "*/5 * * * * *"
    assert overlay.pings[0].sink == Destination("Service", "tocsin", "echo")
    assert overlay.config_maps == {}


def test_a_patch_with_a_target_applies_to_what_it_matches(tmp_path: Path) -> None:
    patch = {"target": {"kind": "PingSource", "name": "ti.*"}, "patch": "spec: {schedule: '* * * * *'}"}
    overlay = loaded(tmp_path / "over", service("echo"), PING, patches=[patch])
    assert overlay.pings[0].schedule == "* * * * *"


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("[{op: replace}]", "JSON 6902"),
        ("{kind: PingSource, metadata: {name: tick}, spec: {list: [1]}}", "spec.list"),
        ("{kind: PingSource, metadata: {name: other}}", "something loaded"),
        ("{spec: {}}", "metadata.name"),
    ],
)
def test_a_patch_that_would_mean_something_else_in_a_cluster_is_refused(
    tmp_path: Path, patch: str, said: str
) -> None:
    with pytest.raises(ManifestError, match=said):
        loaded(tmp_path / "over", service("echo"), PING, patches=[{"patch": patch}])


@pytest.mark.parametrize(
    ("kustomization", "said"),
    [
        ({"components": ["../x"]}, "components"),
        ({"namePrefix": "x-"}, "namePrefix"),
        ({"resources": ["https://example.com/x"]}, "resources = 'https://example.com/x'"),
        ({"generatorOptions": {"immutable": True}}, "generatorOptions.immutable"),
        ({"configMapGenerator": [{"name": "c", "behavior": "merge"}]}, "behavior"),
        ({"configMapGenerator": [{"name": "c", "literals": ["A"]}]}, "KEY=VALUE"),
        ({"configMapGenerator": [{"name": "c", "envs": ["x"]}]}, "envs"),
    ],
)
def test_a_kustomization_that_cannot_be_honoured_is_one_error_naming_the_field(
    tmp_path: Path, kustomization: dict[str, Any], said: str
) -> None:
    with pytest.raises(ManifestError, match=said) as caught:
        loaded(tmp_path / "over", service("echo"), **kustomization)
    assert caught.value.file == "over/kustomization.yaml"


@pytest.mark.parametrize(
    ("manifest", "field"),
    [
        (thing("v1", "Pod", "p", {}), "kind"),
        (thing("apps/v1beta1", "Deployment", "d", {}), "kind"),
        (trigger(filters=[{"exact": {"type": "x"}}]), "spec.filters"),
        (trigger(filter={"attributes": {"type": 3}}), "spec.filter.attributes.type"),
        (trigger(delivery={"backoffDelay": "2s"}), "spec.delivery.backoffDelay"),
        (trigger(delivery={"backoffPolicy": "random"}), "spec.delivery.backoffPolicy"),
        (trigger(delivery={"format": "json"}), "spec.delivery.format"),
        (trigger(delivery={"retryAfterMax": "PT1S"}), "spec.delivery.retryAfterMax"),
        (
            trigger(subscriber={"ref": {"apiVersion": "v1", "kind": "Service", "name": "echo"}}),
            "spec.subscriber.ref.kind",
        ),
        (
            thing(EVENTING, "Broker", "k", {}, annotations={"eventing.knative.dev/broker.class": "Kafak"}),
            "metadata.annotations.eventing.knative.dev/broker.class",
        ),
        (service("s", lifecycle={}), "spec.template.spec.containers[0].lifecycle"),
        (
            service("s", env=[{"name": "A", "valueFrom": {"fieldRef": {}}}]),
            "spec.template.spec.containers[0].env[0].valueFrom",
        ),
        (service("s", env=[{"name": "PORT", "value": "1"}]), "env PORT"),
        (service("s", env=[{"name": "A", "value": 1}]), "spec.template.spec.containers[0].env[0].value"),
        (
            service("s", volumeMounts=[{"name": "v", "mountPath": "/v"}]),
            "spec.template.spec.containers[0].volumeMounts[0].name",
        ),
        (
            service("s", volumes=[{"name": "v", "persistentVolumeClaim": {}}]),
            "spec.template.spec.volumes[0].persistentVolumeClaim",
        ),
        (thing("v1", "Secret", "s") | {"data": {"k": "?"}}, "data"),
        (
            thing("batch/v1", "Job", "j", {"template": {"spec": {"containers": [{"image": "x"}]}}}),
            "spec.template.spec.containers[0].command",
        ),
    ],
)
def test_a_manifest_that_cannot_be_honoured_is_one_error_naming_file_field_and_value(
    tmp_path: Path, manifest: dict[str, Any], field: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        loaded(tmp_path / "over", service("echo"), BROKER, manifest)
    assert (caught.value.file, caught.value.field) == ("over/all.yaml", field)
    assert "Supported: " in str(caught.value)


@pytest.mark.parametrize("subscriber", [ref("Service", "nobody"), ref("Broker", "nobody")])
def test_a_name_that_nothing_in_the_overlay_has_is_an_error(
    tmp_path: Path, subscriber: dict[str, Any]
) -> None:
    with pytest.raises(LocalError, match="tocsin/nobody, which the overlay does not hold"):
        loaded(tmp_path / "over", service("echo"), BROKER, trigger(subscriber=subscriber))


def test_a_delivery_block_is_read_with_its_durations_and_dead_letter_sink(tmp_path: Path) -> None:
    sink = ref("Service", "echo") | {"uri": "/kind/slack"}
    delivery = {
        "retry": 5,
        "backoffPolicy": "exponential",
        "backoffDelay": "PT0.5S",
        "timeout": "PT1M30S",
        "deadLetterSink": sink,
    }
    overlay = loaded(tmp_path / "over", service("echo"), BROKER, trigger(delivery=delivery))
    found = overlay.triggers[0].delivery
    assert found is not None
    assert (found.retry, found.backoff_policy, found.backoff_delay, found.timeout) == (
        5,
        "exponential",
        0.5,
        90.0,
    )
    assert found.dead_letter_sink == Destination("Service", "tocsin", "echo", "/kind/slack")


def test_a_broker_without_delivery_gets_the_install_default_and_one_with_delivery_does_not(
    tmp_path: Path,
) -> None:
    bare = loaded(tmp_path / "a", BROKER)
    set_up = loaded(tmp_path / "b", thing(EVENTING, "Broker", "main", {"delivery": {"timeout": "PT5S"}}))
    assert bare.brokers[0].delivery == INSTALL_DEFAULT
    assert sum(INSTALL_DEFAULT.wait_before(n) for n in range(10)) == pytest.approx(204.6)
    assert set_up.brokers[0].delivery.retry == 0


def test_kinds_without_meaning_are_listed_and_secrets_are_decoded(tmp_path: Path) -> None:
    encoded = base64.b64encode("ü".encode()).decode()
    hidden = thing("v1", "Secret", "s") | {"data": {"a": encoded}, "stringData": {"b": "plain"}}
    overlay = loaded(
        tmp_path / "over",
        thing("v1", "Namespace", "tocsin"),
        thing("networking.k8s.io/v1", "NetworkPolicy", "n"),
        hidden,
    )
    assert overlay.meaningless == ["Namespace tocsin", "NetworkPolicy n"]
    assert overlay.secrets["tocsin", "s"] == {"a": "ü", "b": "plain"}
