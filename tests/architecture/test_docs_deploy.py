"""What the pages about clusters say is what the manifests do, and what they show builds."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.channels import load_kind
from shared.settings import Settings
from tests.support import docs
from tests.support.manifests import (
    ROOT,
    built,
    channel_kinds,
    names,
    of_kind,
    pod,
    rendered,
    secrets_of,
    templates,
    workloads,
)

PAGES = ("docs/deploy.md", "docs/scaling.md")
KPA = "autoscaling.knative.dev/"


def secrets_made() -> Iterator[tuple[str, str, str]]:
    """(page, Secret, key) of every `kubectl create secret generic` in any page."""
    for page in docs.pages():
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.strip(), comments=True)
                if words[:1] == ["kubectl"] and words[3:6] == ["create", "secret", "generic"]:
                    for word in words[7:]:
                        option, _, given = word.partition("=")
                        if option in ("--from-literal", "--from-file"):
                            yield page.name, words[6], given.partition("=")[0]


def test_every_secret_that_is_made_is_one_that_a_function_sees_with_keys_that_are_read() -> None:
    seen = set().union(*(secrets_of(workload) for workload in workloads(rendered("base")).values()))
    made = list(secrets_made())
    assert {"deploy.md", "configuration.md"} <= {page for page, _, _ in made}
    for page, secret, key in made:
        assert secret in seen, (page, secret)
        kind = secret.removeprefix("tocsin-channel-")
        if kind in channel_kinds():
            assert key.rpartition(".")[2] in load_kind(kind).SECRETS, (page, key)
        elif secret == "tocsin-mcp-tokens":
            assert key == "tokens.yaml"
        else:
            assert key.removeprefix("TOCSIN_").lower() in Settings.model_fields, (page, key)


def shown() -> list[Any]:
    """Every piece of a kustomization that the pages show."""
    pieces = [(page, yaml.safe_load(block)) for page in PAGES for block in docs.blocks(page, "yaml")]
    return [
        pytest.param(piece, id=f"{page} {' '.join(piece)} {index}")
        for index, (page, piece) in enumerate(pieces)
    ]


@pytest.mark.parametrize("piece", shown())
def test_what_is_shown_of_an_overlay_builds_and_changes_something(
    piece: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path.resolve()

    def below(path: str) -> str:
        return os.path.relpath(ROOT / "knative" / path, folder)

    components = [below(name.removeprefix("../../")) for name in piece.get("components", ())]
    overlay = {"namespace": "tocsin", "resources": [below("overlays/prod")]} | piece
    overlay |= {"components": components} if components else {}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")

    assert built(folder) != rendered("overlays/prod")


def test_who_reaches_what_is_said_as_the_labels_say_it() -> None:
    notify = {f"notify-{kind}" for kind in channel_kinds()}
    functions = set(of_kind(rendered("base"), "Service"))
    listed = {}
    for label, who, _where in docs.rows(docs.section("docs/deploy.md", "The network")):
        said = set(who.split(", "))
        everybody = functions if "every function" in said else set()
        listed[docs.code(label)[0]] = (
            said - {"every function", "every notify function"}
            | everybody
            | (notify if "every notify function" in said else set())
        )

    labels = {name: template["metadata"]["labels"] for name, template in templates(rendered("base")).items()}
    assert listed == {
        label: {name for name in functions if label in labels[name]}
        for label in {label for given in labels.values() for label in given if label.startswith("egress.")}
    }


def test_the_numbers_of_pods_are_said_as_they_are() -> None:
    services = of_kind(rendered("base"), "Service")
    listed: dict[str, list[int]] = {}
    for who, *numbers, _why in docs.rows(docs.section("docs/scaling.md", "Pods")):
        these = docs.code(who) or [name for name in services if name.startswith("notify-")]
        listed |= {name: [int(number) for number in numbers] for name in these}

    given = {
        name: service["spec"]["template"]["metadata"]["annotations"] for name, service in services.items()
    }
    assert listed == {
        name: [
            int(given[name][f"{KPA}min-scale"]),
            int(given[name][f"{KPA}max-scale"]),
            pod(service)["containerConcurrency"],
        ]
        for name, service in services.items()
    }


def test_overlays_and_components_that_are_named_exist() -> None:
    for page in PAGES:
        text = docs.text_of(page)
        assert set(re.findall(r"OVERLAY=(\w+)", text)) <= {"dev", "prod", "ours"}
        for name in re.findall(r"component `([\w-]+)`", text):
            assert (ROOT / "knative" / "components" / name / "kustomization.yaml").exists()
    assert ("Deployment", "toolbox") in names(rendered("overlays/dev"))
