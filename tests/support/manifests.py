"""Manifests as a cluster would get them. Must not import the laptop's runner."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from croniter import croniter

Manifest = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HASH = re.compile(r"-[bcdfghkmt2456789]{10}$")
"""What kustomize adds to the name of a generated ConfigMap or Secret."""


def kubectl() -> str:
    """The program that builds overlays. Without it the test is skipped, and fails where CI runs it."""
    program = Path(sys.executable).with_name("kubectl")
    found = str(program) if program.exists() else shutil.which("kubectl")
    if found:
        return found
    reason = "kubectl is not installed (the `dev` extra brings it)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@cache
def rendered(folder: str) -> tuple[Manifest, ...]:
    """The objects that `kubectl kustomize knative/<folder>` makes; shared between tests, so never changed."""
    return built(ROOT / "knative" / folder)


def built(folder: Path) -> tuple[Manifest, ...]:
    """The objects that `kubectl kustomize` makes of any folder."""
    command = [kubectl(), "kustomize", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if result.returncode or result.stderr:
        pytest.fail(f"{folder} doesn't build: {result.stderr}")
    return tuple(yaml.load_all(result.stdout, Loader=_LOADER))


def overlays() -> tuple[str, ...]:
    """base and every overlay, as `rendered` names them."""
    folders = sorted(
        path.parent.name for path in (ROOT / "knative" / "overlays").glob("*/kustomization.yaml")
    )
    return ("base", *(f"overlays/{name}" for name in folders))


def plain(name: str) -> str:
    """A name without the hash of what it holds."""
    return _HASH.sub("", name)


def unused_components() -> tuple[str, ...]:
    """The components that are part of no overlay."""
    folders = {path.parent.name for path in (ROOT / "knative" / "components").glob("*/kustomization.yaml")}
    files = (ROOT / "knative" / "overlays").glob("*/kustomization.yaml")
    used = {
        Path(name).name for file in files for name in yaml.safe_load(file.read_text()).get("components", ())
    }
    return tuple(sorted(folders - used))


@cache
def component(*names: str) -> tuple[Manifest, ...]:
    """base with these components, as an overlay would have them; shared between tests, so never changed."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made).resolve()

        def below(path: str) -> str:
            return os.path.relpath(ROOT / "knative" / path, folder)

        wanted = {"namespace": "tocsin", "resources": [below("base")]}
        wanted["components"] = [below(f"components/{name}") for name in names]
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(wanted), encoding="utf-8")
        return built(folder)


def of_kind(objects: tuple[Manifest, ...], kind: str) -> dict[str, Manifest]:
    """The objects of one kind by their plain names. `Service` is Knative's; Kubernetes' own is `v1/Service`."""
    version, _, kind = kind.rpartition("/")
    if kind == "Service" and not version:
        version = "serving.knative.dev/v1"
    found = [item for item in objects if item["kind"] == kind and version in ("", item["apiVersion"])]
    return {plain(item["metadata"]["name"]): item for item in found}


def names(objects: tuple[Manifest, ...]) -> set[tuple[str, str]]:
    """The kind and plain name of every object."""
    return {(item["kind"], plain(item["metadata"]["name"])) for item in objects}


def values(objects: tuple[Manifest, ...], config_map: str) -> dict[str, str]:
    """The data of a ConfigMap."""
    data: dict[str, str] = of_kind(objects, "ConfigMap")[config_map]["data"]
    return data


def keys(secret: Manifest) -> set[str]:
    """What a Secret holds, however it is written."""
    return set(secret.get("data", {})) | set(secret.get("stringData", {}))


def workloads(objects: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """Services and Jobs by name."""
    return of_kind(objects, "Service") | of_kind(objects, "Job")


def templates(objects: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """The pod template of everything that runs, servers and tools included, by the name of its owner."""
    running = workloads(objects) | of_kind(objects, "StatefulSet") | of_kind(objects, "Deployment")
    return {name: owner["spec"]["template"] for name, owner in running.items()}


def pod(workload: Manifest) -> dict[str, Any]:
    """The pod spec of a Service or Job."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> dict[str, Any]:
    """The only container of a Service or Job."""
    (only,) = pod(workload)["containers"]
    assert isinstance(only, dict)
    return only


def environment(workload: Manifest) -> dict[str, str]:
    """The literal environment variables of a workload."""
    return {item["name"]: item["value"] for item in container(workload).get("env", ())}


def secrets_of(workload: Manifest) -> set[str]:
    """The names of the Secrets that a workload can see, by environment or by volume."""
    sources = container(workload).get("envFrom", ())
    named = {source["secretRef"]["name"] for source in sources if "secretRef" in source}
    volumes = pod(workload).get("volumes", ())
    return named | {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}


def seconds_between_ticks(schedule: str) -> set[float]:
    """The distances between the runs of a cron schedule, of two hours at least."""
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    runs = croniter(schedule, start - 1, second_at_beginning=len(schedule.split()) == 6)
    times = [runs.get_next(float)]
    while len(times) < 3 or times[-1] < start + 7200:
        times.append(runs.get_next(float))
    return {later - earlier for earlier, later in pairwise(times)}


def ping_interval(source: Manifest) -> int:
    """What a PingSource tells its sink about its own schedule."""
    return int(json.loads(source["spec"]["data"])["interval_seconds"])


def functions_in(path: Path) -> set[str]:
    """The names of the functions at the top of a Python file, without importing it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def channel_kinds() -> set[str]:
    """Every channel kind that the code has: the names of the files in shared/channels."""
    return {path.stem for path in (ROOT / "shared" / "channels").glob("[!_]*.py")}
