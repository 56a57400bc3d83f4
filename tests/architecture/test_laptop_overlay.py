"""The laptop runs what a cluster runs: base, plus what a cluster has elsewhere."""

import copy
from pathlib import Path

import pytest

from knative.local.manifests import load_overlay
from tests.support.manifests import ROOT, Manifest, container, names, rendered, secrets_of, workloads

FOLDERS = ("base", "overlays/laptop")


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
