"""Containers are restricted, functions are private, bounded and probed, and secrets stay with who needs them."""

import re

import pytest
from pydantic import SecretStr

from shared.settings import Settings
from tests.support.manifests import (
    ROOT,
    Manifest,
    container,
    environment,
    of_kind,
    overlays,
    pod,
    rendered,
    secrets_of,
    templates,
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


@pytest.fixture(params=overlays())
def objects(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """All objects of base, then of each overlay."""
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


def test_every_pod_passes_what_its_namespace_warns_of(objects: tuple[Manifest, ...]) -> None:
    (namespace,) = of_kind(objects, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/warn"] == "restricted"
    for name, template in templates(objects).items():
        spec = template["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys(), name
        kinds = {kind for volume in spec.get("volumes", ()) for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "emptyDir", "secret"}, name
        for item in [*spec["containers"], *spec.get("initContainers", ())]:
            given = item["securityContext"] | {
                "runAsUser": RESTRICTED["runAsUser"]
            }  # images have users of their own
            assert given == RESTRICTED, name
            assert not any("hostPort" in port for port in item.get("ports", ())), name


def test_the_toolbox_sees_no_secret_of_a_channel() -> None:
    toolbox = of_kind(rendered("overlays/prod"), "Deployment")["toolbox"]

    assert secrets_of(toolbox) == {"tocsin-database", "tocsin-metrics", "tocsin-redis", "tocsin-event-keys"}


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
