"""Containers are restricted, secrets stay with the function that needs them, and Knative refuses nothing."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from shared.settings import Settings
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
    values,
    workloads,
)

SECRET_SETTINGS = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
PUBLIC = {"ack", "mcp-server"}
"""People reach these from outside, and only these."""
FOLDERS = ("base", "overlays/laptop")


@pytest.fixture(params=FOLDERS)
def objects(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """All objects of base, then of the laptop."""
    return rendered(request.param)


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

        visibility = service["metadata"]["labels"].get("networking.knative.dev/visibility", "public")
        assert visibility == ("public" if service["metadata"]["name"] in PUBLIC else "cluster-local")
        assert int(scaling["autoscaling.knative.dev/max-scale"]) >= 1
        assert container(service)["readinessProbe"]["httpGet"]["path"] == "/health/readiness"
        assert container(service)["livenessProbe"]["httpGet"]["path"] == "/health/liveness"
        assert own["WORKERS"] == "1"
        # gunicorn puts its control socket there, and nowhere else may be written.
        assert own["XDG_RUNTIME_DIR"] == "/tmp"
        # A busy function still answers its probes.
        assert (
            own.get("FUNCTION_USE_ASGI") == "true"  # one loop answers all
            or int(own["THREADS"]) > pod(service)["containerConcurrency"]
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
