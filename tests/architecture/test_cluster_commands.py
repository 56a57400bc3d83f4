"""`make deploy`, `make status` and `make undeploy` with a stand-in for kubectl: what they ask of a cluster, and say."""

import json
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from knative.cluster import __main__ as command
from knative.cluster.objects import needed
from tests.support.fake_kubectl import READY, Cluster
from tests.support.manifests import rendered

Run = Callable[..., int]


@cache
def as_yaml(overlay: str) -> str:
    """A built overlay as text, of which JSON is a form."""
    return "\n---\n".join(map(json.dumps, rendered(f"overlays/{overlay}")))


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster with Knative 1.22, a Broker of class Kafka included, and kubectl on the PATH."""
    made = Cluster(tmp_path / "cluster")
    path = made.install({name: as_yaml(name) for name in ("dev", "prod")})
    monkeypatch.setenv("PATH", f"{path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(command, "POLL_SECONDS", 0.0)
    made.definitions("1.22.2", *needed(rendered("overlays/dev")), *needed(rendered("overlays/prod")))
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command with these words."""

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["cluster", *words])
        return command.main()

    return call


# ------------------------------------------------------------------ deploy


def test_the_database_is_ready_before_the_first_function_and_functions_before_what_wakes_them(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.say("statefulsets.apps/mariadb", {"readyReplicas": 0}, READY)
    cluster.say("jobs.batch/migrate", {}, {}, READY)
    cluster.say(
        "services.serving.knative.dev/evaluate",
        {"conditions": [{"type": "Ready", "status": "Unknown"}]},
        READY,
    )

    assert run("deploy", "--overlay", "dev") == 0

    first, last = cluster.applied
    assert first[0] == "namespaces/tocsin"
    assert "jobs.batch/migrate" in first
    assert "statefulsets.apps/mariadb" in first
    assert "brokers.eventing.knative.dev/tocsin" in first
    kinds = list(dict.fromkeys(name.partition("/")[0] for name in last))
    assert kinds == [
        "sinkbindings.sources.knative.dev",
        "services.serving.knative.dev",
        "triggers.eventing.knative.dev",
        "pingsources.sources.knative.dev",
    ]
    everything = {f"{item['kind'].lower()} {item['metadata']['name']}" for item in rendered("overlays/dev")}
    assert len(first) + len(last) == len(everything) == len(rendered("overlays/dev"))
    said = capsys.readouterr().out
    assert "Waiting for StatefulSet mariadb" in said or "Waiting for Job migrate" in said
    assert said.endswith("Everything is ready.\n")
    assert all("--force-conflicts" in call for call in cluster.calls if call[0] == "apply")


def test_a_second_deploy_runs_the_migration_again_and_removes_what_the_overlay_no_longer_has(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("deploy", "--overlay", "dev") == 0
    old: dict[str, Any] = {
        "apiVersion": "sources.knative.dev/v1",
        "kind": "PingSource",
        "metadata": {"name": "tick-9"},
    }
    mine = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "mine"}}
    old["metadata"] |= {"labels": {"tocsin.dev/overlay": "dev"}}
    cluster.write(
        "objects",
        cluster.objects | {"pingsources.sources.knative.dev/tick-9": old, "serviceaccounts/mine": mine},
    )

    assert run("deploy", "--overlay", "dev") == 0

    assert "Removing PingSource tick-9, which the overlay no longer has" in capsys.readouterr().out
    assert "pingsources.sources.knative.dev/tick-9" not in cluster.objects
    assert {"serviceaccounts/mine", "pingsources.sources.knative.dev/tick"} <= cluster.objects.keys()
    (again,) = [call for call in cluster.calls if call[:3] == ["delete", "jobs.batch", "migrate"]]
    assert "--namespace=tocsin" in again


def test_an_image_takes_the_place_of_the_overlays_and_of_no_servers(cluster: Cluster, run: Run) -> None:
    assert run("deploy", "--overlay", "dev", "--image", "registry.example.com/tocsin@sha256:1") == 0

    images = {
        name: container["image"]
        for name, item in cluster.objects.items()
        for container in item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ())
    }
    assert images["services.serving.knative.dev/evaluate"] == "registry.example.com/tocsin@sha256:1"
    assert (
        images["jobs.batch/migrate"]
        == images["deployments.apps/toolbox"]
        == "registry.example.com/tocsin@sha256:1"
    )
    assert images["statefulsets.apps/mariadb"].startswith("mariadb:")


def test_public_addresses_are_said_at_the_end(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ack", "evaluate"):
        cluster.say(
            f"services.serving.knative.dev/{name}", READY | {"url": f"http://{name}.tocsin.example.com"}
        )

    assert run("deploy", "--overlay", "dev") == 0

    said = capsys.readouterr().out
    assert "ack is public: http://ack.tocsin.example.com" in said
    assert "evaluate is public" not in said


def test_a_migration_that_fails_ends_it_with_its_output_and_without_functions(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    cluster.say("jobs.batch/migrate", {"conditions": [failed]})
    cluster.write("logs", "Access denied for user 'tocsin'\n")

    assert run("deploy", "--overlay", "dev") == 1

    said = capsys.readouterr().err
    assert "Job migrate failed (BackoffLimitExceeded)" in said
    assert "Access denied for user 'tocsin'" in said
    assert len(cluster.applied) == 1


def test_what_is_not_ready_in_time_is_listed_with_the_reason(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {"type": "Ready", "status": "False", "reason": "RevisionFailed", "message": "no such image"}
    cluster.say("services.serving.knative.dev/ack", {"conditions": [refused]})

    assert run("deploy", "--overlay", "dev", "--timeout", "0") == 1

    assert "Service  ack  failed  RevisionFailed: no such image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overlay", "missing"),
    [
        ("dev", "services.serving.knative.dev"),
        ("dev", "pingsources.sources.knative.dev"),
        ("prod", "consumergroups.internal.kafka.eventing.knative.dev"),
    ],
)
def test_a_cluster_without_a_part_of_knative_is_told_and_left_as_it_is(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str], overlay: str, missing: str
) -> None:
    there = {name: item for name, item in cluster.objects.items() if not name.endswith(f"/{missing}")}
    cluster.write("objects", there)

    assert run("deploy", "--overlay", overlay) == 1

    said = capsys.readouterr().err
    assert f"This cluster lacks {missing}." in said
    assert "Knative Serving and Eventing 1.22 or newer" in said
    assert cluster.objects == there


def test_an_older_knative_is_a_warning(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.definitions("1.9.1", "brokers.eventing.knative.dev")

    assert run("deploy", "--overlay", "dev") == 0

    assert (
        "brokers.eventing.knative.dev is of Knative 1.9.1; the manifests were held against 1.22"
        in capsys.readouterr().out
    )


def test_a_cluster_that_refuses_an_object_is_quoted(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.write(
        "refusals", {"apply": 'admission webhook "webhook.serving.knative.dev" denied the request\n'}
    )

    assert run("deploy", "--overlay", "dev") == 1

    assert 'admission webhook "webhook.serving.knative.dev" denied the request' in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["deploy", "status", "undeploy"])
def test_without_a_cluster_each_says_so(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    cluster.write("refusals", {"version": "The connection to the server localhost:8080 was refused\n"})

    assert run(verb, "--overlay", "dev") == 1

    said = capsys.readouterr().err
    assert "No cluster answers." in said
    assert "The connection to the server localhost:8080 was refused" in said
    assert "kubectl config get-contexts" in said


def test_without_kubectl_each_says_how_to_get_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    assert run("status") == 1

    assert "kubectl is not on the PATH" in capsys.readouterr().err


def test_an_overlay_that_is_none_is_named(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("deploy", "--overlay", "productoin") == 1

    assert "productoin is no overlay" in capsys.readouterr().err


# ------------------------------------------------------------------ status, undeploy


def test_status_lists_what_is_not_ready_first_and_fails_for_it(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("deploy", "--overlay", "dev") == 0
    capsys.readouterr()
    cluster.say("triggers.eventing.knative.dev/notify-push", {"conditions": [_not("BrokerDoesNotExist")]})

    assert run("status", "--overlay", "dev") == 1

    said = capsys.readouterr()
    first, *others = said.out.splitlines()
    assert first.split() == ["Trigger", "notify-push", "failed", "BrokerDoesNotExist"]
    assert others
    assert all(line.endswith("ready") for line in others)
    assert said.err.startswith("1 of ")


def test_status_of_nothing_says_how_to_begin(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("status", "--overlay", "dev") == 1

    assert "make deploy OVERLAY=dev" in capsys.readouterr().err


def test_undeploy_leaves_the_namespace_its_secrets_and_volumes_and_says_so(
    cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("deploy", "--overlay", "dev") == 0
    before = len(cluster.calls)

    assert run("undeploy", "--overlay", "dev") == 0

    left = {
        name for name in cluster.objects if not name.startswith(("customresourcedefinitions/", "secrets/"))
    }
    assert left == {"namespaces/tocsin"}
    assert any(name.startswith("secrets/tocsin-database") for name in cluster.objects)
    deleted = [call[1] for call in cluster.calls[before:] if call[0] == "delete"]
    assert deleted[0] == "pingsources.sources.knative.dev", (
        "nothing wakes a function that is being taken away"
    )
    assert "kubectl delete namespace tocsin" in capsys.readouterr().out


def _not(reason: str) -> dict[str, Any]:
    return {"type": "Ready", "status": "False", "reason": reason}
