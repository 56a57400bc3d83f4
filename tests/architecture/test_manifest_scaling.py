"""How many pods there are, what they may take, and what the components for larger clusters change."""

import json
import re
from typing import Any

import pytest

from shared.store.engine import open_store
from tests.support import docs
from tests.support.manifests import (
    ROOT,
    Manifest,
    component,
    container,
    environment,
    of_kind,
    pod,
    rendered,
    secrets_of,
    templates,
)

CLUSTERS = ("base", "overlays/dev", "overlays/prod")
KPA = "autoscaling.knative.dev/"


@pytest.fixture(params=CLUSTERS)
def objects(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """All objects of one of the sets that a cluster may be given."""
    return rendered(request.param)


def scale(service: Manifest) -> tuple[int, int]:
    """The least and the most pods of a function."""
    given = service["spec"]["template"]["metadata"]["annotations"]
    return int(given[f"{KPA}min-scale"]), int(given[f"{KPA}max-scale"])


def mebibytes(amount: str) -> int:
    """`512Mi` → 512."""
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", amount).groups()  # type: ignore[union-attr]  # else it fails here
    return int(number) * (1024 if unit == "Gi" else 1)


# ------------------------------------------------------------------ pods


def test_what_is_always_there_may_be_moved_one_pod_at_a_time(objects: tuple[Manifest, ...]) -> None:
    always = {name for name, service in of_kind(objects, "Service").items() if scale(service)[0] >= 1}
    budgets = of_kind(objects, "PodDisruptionBudget")
    assert "evaluate" in always
    for budget in budgets.values():
        assert budget["spec"]["maxUnavailable"] == 1
        assert "minAvailable" not in budget["spec"]
        selected = budget["spec"]["selector"]["matchLabels"].items()
        chosen = [
            name
            for name, template in templates(objects).items()
            if selected <= template["metadata"]["labels"].items()
        ]
        assert chosen == [budget["metadata"]["name"]]

    assert set(budgets) == always


def test_functions_that_wait_for_events_stay_a_while_and_then_go(objects: tuple[Manifest, ...]) -> None:
    notify = [service for name, service in of_kind(objects, "Service").items() if name.startswith("notify-")]
    assert notify
    for service in notify:
        assert scale(service)[0] == 0
        given = service["spec"]["template"]["metadata"]["annotations"]
        assert given[f"{KPA}scale-to-zero-pod-retention-period"] == "5m"


def test_a_second_evaluate_stands_by_in_earnest() -> None:
    assert scale(of_kind(rendered("overlays/prod"), "Service")["evaluate"]) == (2, 2)


def test_pods_of_every_sort_can_be_told_apart(objects: tuple[Manifest, ...]) -> None:
    for name, template in templates(objects).items():
        assert template["metadata"]["labels"]["app.kubernetes.io/name"] == name


def test_everything_lives_in_one_namespace_of_its_own(objects: tuple[Manifest, ...]) -> None:
    (namespace,) = of_kind(objects, "Namespace")
    assert not namespace.startswith("knative-")
    assert {item["metadata"].get("namespace", namespace) for item in objects} == {namespace}
    assert [
        item["metadata"]["name"] for item in objects if '"namespace": ' in json.dumps(item.get("spec", {}))
    ] == []


# ------------------------------------------------------------------ what they take


def test_functions_take_fewer_connections_than_the_database_of_a_trial_has() -> None:
    dev = rendered("overlays/dev")
    (size,) = {open_store("mysql+pymysql://nobody@127.0.0.1:9/none", "default", ROOT).engine.pool.size()}  # type: ignore[attr-defined]  # of a QueuePool
    most = sum(
        scale(service)[1] * int(environment(service)["WORKERS"]) * size
        for service in of_kind(dev, "Service").values()
        if any(secret.startswith("tocsin-database") for secret in secrets_of(service))
    )
    (server,) = of_kind(dev, "StatefulSet")["mariadb"]["spec"]["template"]["spec"]["containers"]
    (allowed,) = (
        int(word.partition("=")[2]) for word in server["args"] if word.startswith("--max-connections=")
    )

    assert most < allowed
    assert f"{most} connections" in docs.section("docs/scaling.md", "Connections")


def test_memory_is_what_the_documentation_says_was_measured() -> None:
    listed = {}
    for name, measured, request, limit in docs.rows(docs.section("docs/scaling.md", "Memory")):
        for function in docs.code(name):
            listed[function] = (docs.code(request)[0], docs.code(limit)[0])
            assert int(measured.partition(" ")[0]) < mebibytes(docs.code(request)[0])
    asked = {}
    for name, service in of_kind(rendered("base"), "Service").items():
        resources = container(service)["resources"]
        asked[name] = (resources["requests"]["memory"], resources["limits"]["memory"])
        assert mebibytes(asked[name][0]) < mebibytes(asked[name][1])
        assert "cpu" in resources["requests"]
        assert "cpu" not in resources["limits"], "a throttled tick is a late one"

    assert listed == asked


# ------------------------------------------------------------------ servers of a trial


def test_every_server_of_a_trial_is_restricted_probed_bounded_and_pinned() -> None:
    servers = of_kind(rendered("overlays/dev"), "StatefulSet")
    assert set(servers) == {"mariadb", "redis", "influxdb"}
    for name, server in servers.items():
        spec = server["spec"]["template"]["spec"]
        (only,) = spec["containers"]
        assert (
            spec["securityContext"].items()
            >= {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            }.items()
        )
        assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsGroup"]
        assert spec["automountServiceAccountToken"] is False
        assert only["securityContext"] == {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert re.fullmatch(rf"{name}:\d+\.\d+\.\d+(-alpine)?", only["image"])
        assert {"readinessProbe", "livenessProbe"} <= only.keys()
        assert only["resources"]["requests"]["memory"]
        assert only["resources"]["limits"]["memory"]
        (claim,) = server["spec"]["volumeClaimTemplates"]
        assert claim["metadata"]["name"] in {mount["name"] for mount in only["volumeMounts"]}
        service = of_kind(rendered("overlays/dev"), "v1/Service")[server["spec"]["serviceName"]]
        assert service["spec"]["selector"].items() <= server["spec"]["template"]["metadata"]["labels"].items()


def test_no_password_of_a_trial_is_in_earnest_too() -> None:
    assert of_kind(rendered("overlays/prod"), "Secret") == {}
    assert of_kind(rendered("overlays/dev"), "Secret")


# ------------------------------------------------------------------ classes of Broker


CLASS, AT_ONCE = "eventing.knative.dev/broker.class", "messaging.knative.dev/async-handler"


def broker_and_triggers(objects: tuple[Manifest, ...]) -> tuple[Manifest, list[dict[str, Any]]]:
    """The one Broker, and the annotations of every Trigger."""
    (broker,) = of_kind(objects, "Broker").values()
    return broker, [
        trigger["metadata"].get("annotations", {}) for trigger in of_kind(objects, "Trigger").values()
    ]


def test_the_broker_in_memory_answers_before_it_delivers() -> None:
    broker, _ = broker_and_triggers(rendered("base"))

    assert broker["metadata"]["name"] == "tocsin"
    assert broker["metadata"]["annotations"] == {CLASS: "MTChannelBasedBroker", AT_ONCE: "true"}


def test_the_broker_on_kafka_has_a_configuration_beside_it_and_holds_up_nobody() -> None:
    broker, triggers = broker_and_triggers(rendered("overlays/prod"))
    config = of_kind(rendered("overlays/prod"), "ConfigMap")[broker["spec"]["config"]["name"]]["data"]

    assert broker["metadata"]["annotations"] == {CLASS: "Kafka"}
    assert set(config) == {
        "bootstrap.servers",
        "default.topic.partitions",
        "default.topic.replication.factor",
    }
    assert int(config["default.topic.replication.factor"]) >= 3
    assert all(given == {"kafka.eventing.knative.dev/delivery.order": "unordered"} for given in triggers)


def test_the_broker_on_rabbitmq_has_a_configuration_beside_it_and_holds_up_nobody() -> None:
    objects = component("rabbitmq-broker")
    broker, triggers = broker_and_triggers(objects)

    assert broker["metadata"]["annotations"] == {CLASS: "RabbitMQBroker"}
    assert broker["spec"]["config"]["name"] in of_kind(objects, "RabbitmqBrokerConfig")
    assert all(int(given["rabbitmq.eventing.knative.dev/parallelism"]) > 1 for given in triggers)


# ------------------------------------------------------------------ shards


def test_shards_are_complete_each_is_asked_once_and_each_has_a_pod() -> None:
    objects = component("shards")
    ticks = [source for name, source in of_kind(objects, "PingSource").items() if name.startswith("tick")]
    asked = [json.loads(source["spec"]["data"]) for source in ticks]
    evaluate = of_kind(objects, "Service")["evaluate"]

    assert [one["shard"] for one in asked] == list(range(len(asked)))
    assert {one["of"] for one in asked} == {len(asked)}
    assert scale(evaluate) == (len(asked), len(asked))
    assert pod(evaluate)["containerConcurrency"] == 1


def test_a_shard_ticks_as_the_whole_would() -> None:
    whole = of_kind(rendered("base"), "PingSource")["tick"]["spec"]
    for name, source in of_kind(component("shards"), "PingSource").items():
        if name.startswith("tick"):
            data = json.loads(source["spec"]["data"]) | {"shard": None, "of": None}
            assert source["spec"] | {"data": data} == whole | {
                "data": json.loads(whole["data"]) | {"shard": None, "of": None}
            }
