"""Every name in a manifest leads to an object, also under a prefix and with the hashes of generated names."""

import copy
import os
from typing import Any

import pytest

from tests.support.manifests import ROOT, Manifest, built, of_kind, overlays, plain, rendered
from tests.support.references import dangling, identity, references

OVERLAYS = overlays()
CLUSTERS = ("base", "overlays/dev", "overlays/prod")
GENERATED = {"tocsin", "tocsin-channels"}


@pytest.fixture(scope="module", params=OVERLAYS)
def prefixed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Manifest, ...]:
    """An overlay as part of another one that gives every name a prefix and lives in another namespace."""
    folder = tmp_path_factory.mktemp("prefixed")
    inner = os.path.relpath(ROOT / "knative" / request.param, folder.resolve())
    (folder / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"namePrefix: team-\nnamespace: theirs\nresources: [{inner}]\n",
        encoding="utf-8",
    )
    return built(folder)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_reference_names_an_object_that_is_there(overlay: str) -> None:
    assert dangling(rendered(overlay)) == []


def test_every_reference_follows_a_prefix(prefixed: tuple[Manifest, ...]) -> None:
    assert dangling(prefixed) == []
    for item in prefixed:
        assert item["metadata"]["name"] == "theirs" or item["metadata"]["name"].startswith("team-")
        assert item["metadata"].get("namespace", "theirs") == "theirs"


def test_what_may_be_missing_follows_a_prefix_where_the_overlay_holds_it(
    prefixed: tuple[Manifest, ...],
) -> None:
    there = {identity(item) for item in prefixed}
    unfixed = [
        wanted
        for item in prefixed
        for wanted, optional in references(item)
        if optional
        and wanted not in there
        and wanted.replace(" ", " team-", 1) in {plain(name) for name in there}
    ]

    assert unfixed == []


@pytest.mark.parametrize("overlay", CLUSTERS)
def test_a_changed_setting_rolls_out_new_revisions(overlay: str) -> None:
    names = {item["metadata"]["name"] for item in rendered(overlay) if item["kind"] == "ConfigMap"}
    generated = {name for name in names if plain(name) in GENERATED}

    assert {plain(name) for name in generated} == GENERATED
    assert all(plain(name) != name for name in generated)
    named = {wanted for item in rendered(overlay) for wanted, _ in references(item)}
    assert {f"v1/ConfigMap {name}" for name in generated} <= named


def test_what_a_broker_is_configured_by_keeps_its_name() -> None:
    """spec.config of a Broker can't be changed, so a name with a hash would refuse every later apply."""
    for overlay in OVERLAYS:
        for broker in of_kind(rendered(overlay), "Broker").values():
            config = broker.get("spec", {}).get("config", {"name": ""})
            assert config["name"] == plain(config["name"])


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("Trigger", "notify-slack", ("spec", "broker")),
        ("Trigger", "notify-slack", ("spec", "subscriber", "ref", "name")),
        ("Trigger", "notify-slack", ("spec", "delivery", "deadLetterSink", "ref", "name")),
        ("PingSource", "tick", ("spec", "sink", "ref", "name")),
        ("SinkBinding", "evaluate", ("spec", "subject", "name")),
        ("SinkBinding", "evaluate", ("spec", "sink", "ref", "name")),
        ("Service", "evaluate", ("spec", "template", "spec", "serviceAccountName")),
        (
            "Service",
            "evaluate",
            ("spec", "template", "spec", "containers", 0, "envFrom", 0, "configMapRef", "name"),
        ),
        ("Service", "evaluate", ("spec", "template", "spec", "volumes", 1, "configMap", "name")),
        (
            "Job",
            "migrate",
            ("spec", "template", "spec", "containers", 0, "envFrom", 0, "configMapRef", "name"),
        ),
    ],
    ids=str,
)
def test_a_name_that_leads_nowhere_would_be_noticed(
    kind: str, name: str, path: tuple[str | int, ...]
) -> None:
    objects = copy.deepcopy(rendered("base"))
    place: Any = of_kind(objects, kind)[name]
    for step in path[:-1]:
        place = place[step]
    assert place[path[-1]]

    place[path[-1]] = "nobody"

    (found,) = dangling(objects)
    assert found.startswith(f"{kind} {name} → ")
    assert found.endswith(" nobody")
