"""The laptop runs what a cluster runs: base, plus what a cluster has elsewhere."""

import copy
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from knative.local.inbox._app import vendors
from knative.local.manifests import load_overlay
from shared.channels import ChannelBook, kinds, load_book, load_kind
from shared.channels._kind import Request
from shared.monitors.http import parse_targets
from tests.support.manifests import (
    ROOT,
    Manifest,
    container,
    names,
    of_kind,
    plain,
    rendered,
    secrets_of,
    values,
    workloads,
)

FOLDERS = ("base", "overlays/laptop")


def without_hashes(value: Any) -> Any:
    """The same, and every name in it plain: nothing is rolled out on a laptop."""
    if isinstance(value, dict):
        return {key: without_hashes(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [without_hashes(below) for below in value]
    return plain(value) if isinstance(value, str) else value


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

    base, laptop = without_hashes(base), without_hashes(laptop)
    changed = [(item["kind"], item["metadata"]["name"]) for item in base if item not in laptop]

    assert sorted(changed) == [
        ("ConfigMap", "tocsin"),
        ("ConfigMap", "tocsin-channels"),
        ("PingSource", "tick"),
    ]


@pytest.mark.parametrize("folder", [*FOLDERS, "overlays/standalone"])
def test_the_laptop_runner_reads_what_kubectl_reads(folder: str) -> None:
    def comparable(body: Manifest) -> Manifest:
        body = without_hashes(copy.deepcopy(body))
        if body["kind"] in ("Service", "Job"):
            del container(body)["image"]
        return body

    loaded = [comparable(found.body) for found in load_overlay(ROOT / "knative" / folder, ROOT)]

    expected = [comparable(item) for item in rendered(folder)]

    def order(body: Manifest) -> tuple[str, str]:
        return body["kind"], body["metadata"]["name"]

    assert sorted(loaded, key=order) == sorted(expected, key=order)


@pytest.fixture
def laptop_book(tmp_path: Path) -> ChannelBook:
    """The laptop's channels, with each secret where the function of its kind would find it."""
    laptop = rendered("overlays/laptop")
    channels = tmp_path / "channels.yaml"
    channels.write_text(values(laptop, "tocsin-channels")["channels.yaml"], encoding="utf-8")
    for kind in kinds():
        for name, value in of_kind(laptop, "Secret")[f"tocsin-channel-{kind}"]["stringData"].items():
            (tmp_path / name).write_text(value, encoding="utf-8")
    return load_book(channels, tmp_path, {}, "default", frozenset({"127.0.0.1"}))


def test_the_laptop_has_a_default_channel_of_every_kind(laptop_book: ChannelBook) -> None:
    assert sorted(channel.kind for channel in laptop_book.for_rule(None)) == sorted(kinds())


@pytest.mark.parametrize("kind", kinds())
def test_messages_of_the_laptop_go_to_the_inbox_where_it_expects_them(
    laptop_book: ChannelBook, kind: str
) -> None:
    (channel,) = (channel for channel in laptop_book.channels if channel.kind == kind)
    settings, secrets = laptop_book.settings(channel), laptop_book.secrets(channel)

    url, _ = load_kind(kind).address(Request("n1", b"{}"), settings, secrets, 1_700_000_000_000)

    (vendor,) = (vendor for vendor in vendors().values() if kind == vendor.KIND)
    assert urlsplit(url).hostname == "inbox.laptop.local"
    paths = {route.replace("{name}", channel.name) for route in vendor.ROUTES}
    assert any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), urlsplit(url).path) for path in paths)


def test_every_laptop_secret_is_one_that_its_kind_reads() -> None:
    laptop = rendered("overlays/laptop")
    for kind in kinds():
        given = of_kind(laptop, "Secret")[f"tocsin-channel-{kind}"]["stringData"]

        assert {name.partition(".")[2] for name in given} <= set(load_kind(kind).SECRETS)


def test_the_laptop_watches_web_sites_that_can_be_asked() -> None:
    targets = parse_targets(values(rendered("overlays/laptop"), "tocsin")["TOCSIN_MONITOR_URLS"])

    assert targets[0].name == "demo-site"
    assert {target.name for target in targets[1:]} <= set(of_kind(rendered("base"), "Service"))


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
