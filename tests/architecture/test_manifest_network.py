"""Each pod is reached by those only who have business there, and reaches what its work needs and nothing else."""

import copy
from typing import Any

import pytest

from tests.support.manifests import (
    Manifest,
    channel_kinds,
    component,
    of_kind,
    rendered,
    secrets_of,
    templates,
    workloads,
)
from tests.support.networks import Place, is_reached, reaches_out

CLUSTERS = ("base", "overlays/dev", "overlays/prod")
BROKER, DATABASE, INTERNET, METRICS, REDIS = (
    f"egress.tocsin.dev/{name}" for name in ("broker", "database", "internet", "metrics", "redis")
)
GATEWAY = Place({"app": "3scale-kourier-gateway"}, "kourier-system")
ACTIVATOR = Place({"app": "activator"}, "knative-serving")
VENDOR = Place(address="93.184.216.34")
PRIVATE = ("10.1.2.3", "172.20.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "fd00::1", "fe80::1", "::1")
METADATA = "169.254.169.254"


@pytest.fixture(params=CLUSTERS)
def objects(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """All objects of one of the sets that a cluster may be given."""
    return rendered(request.param)


def pods_of(objects: tuple[Manifest, ...]) -> dict[str, dict[str, str]]:
    """The labels that the pods of every workload have, those that Knative adds included."""
    services = of_kind(objects, "Service")
    return {
        name: template["metadata"]["labels"]
        | ({"serving.knative.dev/service": name} if name in services else {})
        for name, template in templates(objects).items()
    }


# ------------------------------------------------------------------ in


def test_a_function_is_reached_by_the_gateway_and_the_activator_only(objects: tuple[Manifest, ...]) -> None:
    pods = pods_of(objects)
    for name in of_kind(objects, "Service"):
        for port in (8012, 8013, 8112, 9090):
            assert is_reached(objects, pods[name], GATEWAY, port), name
            assert is_reached(objects, pods[name], ACTIVATOR, port), name
        assert not is_reached(objects, pods[name], GATEWAY, 8080), (
            "the function's own port is behind queue-proxy"
        )
        for stranger in (
            Place(pods["evaluate"]),
            Place({}, "default"),
            Place({}, "knative-eventing"),
            VENDOR,
        ):
            assert not is_reached(objects, pods[name], stranger, 8012), (name, stranger)


def test_nobody_reaches_a_pod_that_is_no_function(objects: tuple[Manifest, ...]) -> None:
    for name in ("migrate", *({"toolbox"} & templates(objects).keys())):
        assert not is_reached(objects, pods_of(objects)[name], GATEWAY, 8012)
        assert not is_reached(objects, pods_of(objects)[name], ACTIVATOR, 8080)


@pytest.mark.parametrize(
    ("server", "port", "label"),
    [("mariadb", 3306, DATABASE), ("redis", 6379, REDIS), ("influxdb", 8086, METRICS)],
)
def test_a_server_of_a_trial_is_reached_by_those_who_say_so(server: str, port: int, label: str) -> None:
    dev = rendered("overlays/dev")
    pods = pods_of(dev)

    for name, labels in pods.items():
        reached = is_reached(dev, pods[server], Place(labels), port) and reaches_out(
            dev, labels, Place(pods[server]), port
        )
        assert reached == (label in labels), name
    assert not is_reached(dev, pods[server], GATEWAY, port)
    assert not reaches_out(dev, pods["evaluate"], Place(address="10.9.9.9"), port), "narrowed to the pod"


# ------------------------------------------------------------------ out


def test_every_pod_finds_names(objects: tuple[Manifest, ...]) -> None:
    for labels in pods_of(objects).values():
        assert reaches_out(objects, labels, Place({"k8s-app": "kube-dns"}, "kube-system"), 53, "UDP")
        assert reaches_out(objects, labels, Place(address="169.254.20.10"), 53, "UDP")


@pytest.mark.parametrize(
    ("secret", "port", "label"),
    [("tocsin-database", 3306, DATABASE), ("tocsin-redis", 6379, REDIS), ("tocsin-metrics", 8086, METRICS)],
)
def test_who_has_the_secret_of_a_server_reaches_it_and_nobody_else_does(
    secret: str, port: int, label: str
) -> None:
    for overlay in ("base", "overlays/prod"):
        objects = rendered(overlay)
        pods = pods_of(objects)
        for name, workload in workloads(objects).items():
            has = secret in secrets_of(workload)
            assert (label in pods[name]) == has, (overlay, name)
            assert reaches_out(objects, pods[name], Place(address="10.1.2.3"), port) == has, (overlay, name)


def test_who_is_told_where_the_broker_is_reaches_it_and_nobody_else_does(
    objects: tuple[Manifest, ...],
) -> None:
    told = {binding["spec"]["subject"]["name"] for binding in of_kind(objects, "SinkBinding").values()}
    for name, labels in pods_of(objects).items():
        ingress = Place({"eventing.knative.dev/brokerRole": "ingress"}, "knative-eventing")
        # the monitor asks any web site, in the cluster too
        reached = reaches_out(objects, labels, ingress, 8080)
        assert reached == (name in told), name
        assert (BROKER in labels) == (name in told), name


def test_notify_functions_reach_the_outside_by_https_and_nothing_inside(
    objects: tuple[Manifest, ...],
) -> None:
    pods = pods_of(objects)
    for kind in channel_kinds():
        labels = pods[f"notify-{kind}"]
        assert reaches_out(objects, labels, VENDOR, 443)
        assert reaches_out(objects, labels, Place(address="2606:2800:220:1::1"), 443)
        for port in (22, 80, 8080, 6379, 8086):
            assert not reaches_out(objects, labels, VENDOR, port), port
        for address in (*PRIVATE, METADATA):
            assert not reaches_out(objects, labels, Place(address=address), 443), address
        for inside in (Place(pods["evaluate"]), Place({}, "default"), Place({}, "kube-system")):
            assert not reaches_out(objects, labels, inside, 443)


def test_only_who_calls_vendors_watchers_or_issuers_reaches_the_outside(
    objects: tuple[Manifest, ...],
) -> None:
    outside = {name for name, labels in pods_of(objects).items() if reaches_out(objects, labels, VENDOR, 443)}
    notify = {f"notify-{kind}" for kind in channel_kinds()}

    assert outside - {"toolbox", "monitor-http"} == {"evaluate", "mcp-server", *notify}


def test_nobody_asks_the_metadata_service_of_a_cloud(objects: tuple[Manifest, ...]) -> None:
    for name, labels in pods_of(objects).items():
        for port in (80, 443):
            assert not reaches_out(objects, labels, Place(address=METADATA), port), name


def test_every_word_for_what_is_reached_has_its_policy(objects: tuple[Manifest, ...]) -> None:
    used = {label for labels in pods_of(objects).values() for label in labels if label.startswith("egress.")}
    selected = {
        label
        for policy in of_kind(objects, "NetworkPolicy").values()
        for label in policy["spec"]["podSelector"].get("matchLabels", {})
    }

    assert used == {label for label in selected if label.startswith("egress.")}


def test_the_pods_of_a_rabbitmq_broker_are_reached_by_publishers_and_reach_functions() -> None:
    objects = component("rabbitmq-broker")
    ingress = {"eventing.knative.dev/broker": "tocsin", "eventing.knative.dev/brokerRole": "ingress"}
    pods = pods_of(objects)

    for name, labels in pods.items():
        reached = reaches_out(objects, labels, Place(ingress), 8080) and is_reached(
            objects, ingress, Place(labels), 8080
        )
        assert reached == (BROKER in labels), name
    assert reaches_out(objects, ingress, Place(address="10.1.2.3"), 5672)
    assert reaches_out(objects, ingress, GATEWAY, 8081)
    assert not reaches_out(objects, ingress, VENDOR, 443)


# ------------------------------------------------------------------ would a mistake be noticed?


@pytest.mark.parametrize(
    ("policy", "change"),
    [
        ("default-deny", {"podSelector": {"matchLabels": {"app": "x"}}}),
        ("default-deny", {"policyTypes": ["Egress"]}),
        ("to-internet", {"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}),
        ("to-database", {"podSelector": {}}),
    ],
)
def test_a_policy_that_lets_too_much_pass_would_be_noticed(policy: str, change: dict[str, Any]) -> None:
    objects = copy.deepcopy(rendered("base"))
    of_kind(objects, "NetworkPolicy")[policy]["spec"].update(change)
    pods = pods_of(objects)
    tries = [
        reaches_out(objects, {"app": "stranger"}, VENDOR, 443),
        reaches_out(objects, pods["notify-slack"], Place(address="10.1.2.3"), 443),
        reaches_out(objects, {"app": "stranger"}, Place(address="10.1.2.3"), 3306),
        is_reached(objects, {"app": "stranger"}, VENDOR, 80),
    ]

    assert any(tries)
    assert not any(
        [
            reaches_out(rendered("base"), {"app": "stranger"}, VENDOR, 443),
            reaches_out(rendered("base"), pods["notify-slack"], Place(address="10.1.2.3"), 443),
            reaches_out(rendered("base"), {"app": "stranger"}, Place(address="10.1.2.3"), 3306),
            is_reached(rendered("base"), {"app": "stranger"}, VENDOR, 80),
        ]
    )
