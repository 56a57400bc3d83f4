"""The manifests agree with the code and with what Knative accepts; read from what `kubectl kustomize` makes."""

import copy
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from knative.local.manifests import load_overlay
from shared import events
from shared.model import ChannelRef, EventKind, Notification, RuleFacts, Severity
from shared.settings import Settings
from tests.support import manifests
from tests.support.manifests import (
    ROOT,
    Manifest,
    container,
    environment,
    of_kind,
    pod,
    refusals,
    rendered,
    secrets_of,
    workloads,
)

FOLDERS = ("base", "overlays/laptop")
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
CLAIM_LEASE_SECONDS = 25
SECRET_SETTINGS = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}


@pytest.fixture(params=FOLDERS)
def objects(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """All objects of base, then of the laptop."""
    return rendered(request.param)


def names(items: tuple[Manifest, ...]) -> set[tuple[str, str]]:
    return {(item["kind"], item["metadata"]["name"]) for item in items}


def values(objects: tuple[Manifest, ...], name: str) -> dict[str, str]:
    data: dict[str, str] = of_kind(objects, "ConfigMap")[name]["data"]
    return data


def route_of(trigger: Manifest) -> str:
    """The one attribute that a Trigger asks for."""
    ((attribute, value),) = trigger["spec"]["filter"]["attributes"].items()
    assert value == "true"
    return str(attribute)


# ------------------------------------------------------------------ code


def test_every_function_source_and_target_exists_under_the_name_of_its_service(
    objects: tuple[Manifest, ...],
) -> None:
    for name, service in of_kind(objects, "Service").items():
        target = name.replace("-", "_")
        assert environment(service)["FUNCTION_TARGET"] == target
        assert environment(service)["FUNCTION_SOURCE"] == f"functions/{target}/main.py"
        assert target in manifests.functions_in(ROOT / "functions" / target / "main.py")


def test_every_function_in_the_code_has_a_service() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/main.py")}

    assert folders == {name.replace("-", "_") for name in of_kind(rendered("overlays/laptop"), "Service")}


def test_every_setting_in_the_manifests_is_one_that_the_code_reads(objects: tuple[Manifest, ...]) -> None:
    used = set(values(objects, "tocsin"))
    for workload in workloads(objects).values():
        used |= {name for name in environment(workload) if name.startswith("TOCSIN_")}
    for secret in of_kind(objects, "Secret").values():
        used |= {name for name in secret["stringData"] if name.startswith("TOCSIN_")}

    assert {
        name for name in used if name.removeprefix("TOCSIN_").lower() not in Settings.model_fields
    } == set()


def test_the_settings_of_every_workload_are_valid(
    objects: tuple[Manifest, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for workload in workloads(objects).values():
        with monkeypatch.context() as patch:
            for name, value in (values(objects, "tocsin") | environment(workload)).items():
                patch.setenv(name, value)
            assert Settings().tenant == "default"


def test_the_image_is_the_release_that_the_package_names(objects: tuple[Manifest, ...]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert {container(workload)["image"] for workload in workloads(objects).values()} == {f"tocsin:{version}"}


# ------------------------------------------------------------------ events


def test_every_channel_kind_has_exactly_one_trigger_and_a_function() -> None:
    kinds = manifests.channel_kinds()
    triggers = of_kind(rendered("base"), "Trigger")

    assert sorted(map(route_of, triggers.values())) == sorted(events.route(kind) for kind in kinds)
    assert {trigger["spec"]["subscriber"]["ref"]["name"] for trigger in triggers.values()} == {
        f"notify-{kind}" for kind in kinds
    }


@pytest.mark.parametrize("event", EventKind)
def test_an_event_wakes_exactly_the_functions_of_its_routes(event: EventKind) -> None:
    triggers = of_kind(rendered("base"), "Trigger")
    assert manifests.channel_kinds()
    for kind in manifests.channel_kinds():
        notification = Notification(
            id="n1",
            event=event,
            seq=1,
            slot=0,
            severity=Severity.HIGH,
            rule=RuleFacts(id="rule_1", title="CPU"),
            channels=(ChannelRef(kind=kind, name="ops"),),
        )
        attributes = events.routed(events.notification_event(notification, at=0), [kind]).attributes

        woken = [
            name
            for name, trigger in triggers.items()
            if trigger["spec"]["filter"]["attributes"].items() <= attributes.items()
        ]

        assert woken == [f"notify-{kind}"]


def test_every_trigger_has_a_full_delivery_block_with_a_dead_letter_sink_of_its_kind(
    objects: tuple[Manifest, ...],
) -> None:
    for trigger in of_kind(objects, "Trigger").values():
        kind = route_of(trigger).removeprefix(events.ROUTE_PREFIX)

        assert trigger["spec"]["delivery"] == {
            "retry": 5,
            "backoffPolicy": "exponential",
            "backoffDelay": "PT1S",
            "timeout": "PT30S",
            "deadLetterSink": {
                "ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "dead-letter"},
                "uri": f"/kind/{kind}",
            },
        }


def test_retries_outlast_a_claim_and_an_attempt_ends_before_its_function_is_stopped() -> None:
    services = of_kind(rendered("base"), "Service")
    for trigger in of_kind(rendered("base"), "Trigger").values():
        delivery = trigger["spec"]["delivery"]
        waits = sum(2**attempt for attempt in range(delivery["retry"]))
        attempt_seconds = int(re.fullmatch(r"PT(\d+)S", delivery["timeout"])[1])  # type: ignore[index]  # checked above

        assert waits > CLAIM_LEASE_SECONDS
        assert attempt_seconds < pod(services[trigger["spec"]["subscriber"]["ref"]["name"]])["timeoutSeconds"]


def test_every_ping_source_says_the_interval_of_its_schedule(objects: tuple[Manifest, ...]) -> None:
    sources = of_kind(objects, "PingSource")
    assert "tick" in sources
    for source in sources.values():
        assert source["spec"]["contentType"] == "application/json"
        assert manifests.seconds_between_ticks(source["spec"]["schedule"]) == {
            manifests.ping_interval(source)
        }


def test_a_tick_is_over_before_its_function_is_stopped(objects: tuple[Manifest, ...]) -> None:
    budget = manifests.ping_interval(of_kind(objects, "PingSource")["tick"]) * 5 / 6

    assert budget < pod(of_kind(objects, "Service")["evaluate"])["timeoutSeconds"]


def test_the_broker_answers_before_it_delivers() -> None:
    (broker,) = of_kind(rendered("base"), "Broker").values()

    assert broker["metadata"]["name"] == "tocsin"
    assert broker["metadata"]["annotations"] == {
        "eventing.knative.dev/broker.class": "MTChannelBasedBroker",
        "messaging.knative.dev/async-handler": "true",
    }


def test_every_reference_names_an_object_that_is_there(objects: tuple[Manifest, ...]) -> None:
    there = names(objects)
    wanted = [("Broker", trigger["spec"]["broker"]) for trigger in of_kind(objects, "Trigger").values()]
    refs = [trigger["spec"]["subscriber"]["ref"] for trigger in of_kind(objects, "Trigger").values()]
    refs += [t["spec"]["delivery"]["deadLetterSink"]["ref"] for t in of_kind(objects, "Trigger").values()]
    refs += [source["spec"]["sink"]["ref"] for source in of_kind(objects, "PingSource").values()]
    for binding in of_kind(objects, "SinkBinding").values():
        refs += [binding["spec"]["sink"]["ref"], binding["spec"]["subject"]]
    wanted += [(ref["kind"], ref["name"]) for ref in refs]
    for name, workload in workloads(objects).items():
        assert pod(workload)["serviceAccountName"] == name
        wanted.append(("ServiceAccount", name))
        for volume in pod(workload)["volumes"]:
            wanted += [("ConfigMap", volume["configMap"]["name"])] if "configMap" in volume else []
        for source in container(workload)["envFrom"]:
            wanted += [("ConfigMap", source["configMapRef"]["name"])] if "configMapRef" in source else []

    assert [each for each in wanted if each not in there] == []


def test_evaluate_is_told_where_the_broker_is() -> None:
    bindings = of_kind(rendered("base"), "SinkBinding").values()

    assert {binding["spec"]["subject"]["name"] for binding in bindings} >= {"evaluate"}
    assert {binding["spec"]["sink"]["ref"]["kind"] for binding in bindings} == {"Broker"}


# ------------------------------------------------------------------ secrets


def test_base_holds_no_secret() -> None:
    objects = rendered("base")
    given = set(values(objects, "tocsin"))
    for workload in workloads(objects).values():
        given |= set(environment(workload))

    assert of_kind(objects, "Secret") == {}
    assert given & {f"TOCSIN_{name.upper()}" for name in SECRET_SETTINGS} == set()
    for path in (ROOT / "knative" / "base").rglob("*.yaml"):
        assert re.search(r"://[^/\s]*:[^/\s]*@|whsec_|hooks\.slack\.com", path.read_text()) is None, path


def test_a_channel_secret_is_seen_by_the_function_of_its_kind_only(objects: tuple[Manifest, ...]) -> None:
    for name, workload in workloads(objects).items():
        own = {f"tocsin-channel-{name.removeprefix('notify-')}"} if name.startswith("notify-") else set()

        assert {secret for secret in secrets_of(workload) if secret.startswith("tocsin-channel-")} == own
        assert ("TOCSIN_SECRETS_DIR" in environment(workload)) == bool(own)


def test_a_secret_that_is_not_there_keeps_no_function_from_starting(objects: tuple[Manifest, ...]) -> None:
    for workload in workloads(objects).values():
        refs = [source["secretRef"] for source in container(workload)["envFrom"] if "secretRef" in source]
        refs += [volume["secret"] for volume in pod(workload)["volumes"] if "secret" in volume]

        assert all(ref["optional"] is True for ref in refs)


# ------------------------------------------------------------------ containers


def test_every_container_is_restricted(objects: tuple[Manifest, ...]) -> None:
    for workload in workloads(objects).values():
        assert container(workload)["securityContext"] == RESTRICTED
        assert pod(workload)["automountServiceAccountToken"] is False
        assert pod(workload)["enableServiceLinks"] is False
        assert container(workload)["resources"]["limits"]["memory"]
        # gunicorn's worker heartbeat is a file in /tmp
        assert {"name": "tmp", "mountPath": "/tmp"} in container(workload)["volumeMounts"]
        assert {"name": "tmp", "emptyDir": {}} in pod(workload)["volumes"]
    for account in of_kind(objects, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


def test_every_function_is_private_bounded_and_probed(objects: tuple[Manifest, ...]) -> None:
    for service in of_kind(objects, "Service").values():
        scaling = service["spec"]["template"]["metadata"]["annotations"]
        own = environment(service)

        assert service["metadata"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"
        assert int(scaling["autoscaling.knative.dev/max-scale"]) >= 1
        assert container(service)["readinessProbe"]["httpGet"]["path"] == "/health/readiness"
        assert container(service)["livenessProbe"]["httpGet"]["path"] == "/health/liveness"
        assert own["WORKERS"] == "1"
        # A busy function still answers its probes.
        assert (
            int(own["THREADS"]) > pod(service)["containerConcurrency"]
            or pod(service)["containerConcurrency"] > 10
        )


def test_one_tick_at_a_time_on_a_warm_pod() -> None:
    evaluate = of_kind(rendered("base"), "Service")["evaluate"]
    scaling = evaluate["spec"]["template"]["metadata"]["annotations"]

    assert pod(evaluate)["containerConcurrency"] == 1
    assert scaling["autoscaling.knative.dev/min-scale"] == scaling["autoscaling.knative.dev/max-scale"] == "1"


def test_knative_refuses_nothing(objects: tuple[Manifest, ...]) -> None:
    assert {name: list(refusals(service)) for name, service in of_kind(objects, "Service").items()} == {
        name: [] for name in of_kind(objects, "Service")
    }


def _in_pod(**changes: Any) -> Callable[[Manifest], None]:
    return lambda service: pod(service).update(changes)


def _in_container(**changes: Any) -> Callable[[Manifest], None]:
    return lambda service: container(service).update(changes)


def _scaled(**annotations: str) -> Callable[[Manifest], None]:
    scaling = {
        f"autoscaling.knative.dev/{name.replace('_', '-')}": value for name, value in annotations.items()
    }
    return lambda service: service["spec"]["template"]["metadata"]["annotations"].update(scaling)


@pytest.mark.parametrize(
    "break_it",
    [
        _in_pod(securityContext={"runAsNonRoot": True}),
        _in_pod(initContainers=[]),
        _in_pod(topologySpreadConstraints=[]),
        _in_pod(terminationGracePeriodSeconds=60),
        _in_pod(containerConcurrency=2000),
        _in_pod(timeoutSeconds=900),
        _in_pod(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]),
        _in_container(lifecycle={}),
        _in_container(ports=[{"containerPort": 8080}, {"containerPort": 9090}]),
        _in_container(ports=[{"containerPort": 8012}]),
        _in_container(env=[{"name": "PORT", "value": "80"}]),
        _in_container(env=[{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        _scaled(min_scale="3", max_scale="2"),
        _scaled(initial_scale="0"),
        lambda service: service["metadata"].update(annotations={"autoscaling.knative.dev/min-scale": "1"}),
    ],
)
def test_what_knative_refuses_would_be_noticed(break_it: Callable[[Manifest], None]) -> None:
    service = copy.deepcopy(of_kind(rendered("base"), "Service")["notify-slack"])
    break_it(service)

    assert len(list(refusals(service))) == 1


# ------------------------------------------------------------------ laptop


def test_the_laptop_adds_only_what_a_cluster_has_elsewhere() -> None:
    base, laptop = rendered("base"), rendered("overlays/laptop")
    added = {"write", "monitor-host", "monitor-http"}
    secrets = set().union(*(secrets_of(workload) for workload in workloads(base).values()))

    assert names(base) - names(laptop) == set()
    assert names(laptop) - names(base) - {("Secret", name) for name in secrets} == (
        {("Service", name) for name in added}
        | {("ServiceAccount", name) for name in added | {"demo"}}
        | {("PingSource", "monitor-host"), ("PingSource", "monitor-http"), ("Job", "demo")}
    )


def test_the_laptop_changes_nothing_of_base_but_the_tick_and_the_configuration() -> None:
    base, laptop = rendered("base"), rendered("overlays/laptop")

    changed = [(item["kind"], item["metadata"]["name"]) for item in base if item not in laptop]

    assert sorted(changed) == [
        ("ConfigMap", "tocsin"),
        ("ConfigMap", "tocsin-channels"),
        ("PingSource", "tick"),
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_laptop_runner_reads_what_kubectl_reads(folder: str) -> None:
    def comparable(body: Manifest) -> Manifest:
        body = copy.deepcopy(body)
        if body["kind"] in ("Service", "Job"):
            del container(body)["image"]
        return body

    loaded = [comparable(found.body) for found in load_overlay(ROOT / "knative" / folder, ROOT)]

    expected = [comparable(item) for item in rendered(folder)]

    def order(body: Manifest) -> tuple[str, str]:
        return body["kind"], body["metadata"]["name"]

    assert sorted(loaded, key=order) == sorted(expected, key=order)


def test_every_file_below_base_and_laptop_is_part_of_the_build() -> None:
    for folder in FOLDERS:
        for path in sorted((ROOT / "knative" / folder).rglob("*.yaml")):
            if path.name != "kustomization.yaml":
                assert _is_named(path, ROOT / "knative" / folder), f"{path} is in no kustomization"


def _is_named(path: Path, top: Path) -> bool:
    return any(
        str(path.relative_to(parent)) in (parent / "kustomization.yaml").read_text(encoding="utf-8")
        for parent in path.parents
        if parent.is_relative_to(top) and (parent / "kustomization.yaml").exists()
    )
