"""The one program that speaks to the cluster. Must not decide anything."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from knative.cluster.objects import Manifest

ASK_SECONDS = 15
"""How long one question may take; kubectl itself gives up a little earlier and says why."""

CHANGE_SECONDS = 300
"""How long an apply or a delete may take: webhooks answer, finalizers run."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ClusterError(Exception):
    """Something that the reader can do something about; the message is the whole report."""


class Kubectl:
    """kubectl on the PATH, or the one that the development environment brings."""

    def __init__(self) -> None:
        beside = Path(sys.executable).with_name("kubectl")
        found = shutil.which("kubectl") or (str(beside) if beside.exists() else "")
        if not found:
            raise ClusterError(
                "kubectl is not on the PATH. Install it (https://kubernetes.io/docs/tasks/tools/), or build the "
                "environment with `make setup`, which brings one."
            )
        self.program = found

    def render(self, folder: Path) -> list[Manifest]:
        """The objects of an overlay; no cluster is asked."""
        if not (folder / "kustomization.yaml").is_file():
            raise ClusterError(f"{folder} is no overlay: it has no kustomization.yaml.")
        text = self._run(["kustomize", str(folder)], seconds=60, doing=f"building {folder}")
        return [item for item in yaml.load_all(text, Loader=_LOADER) if item]

    def version(self) -> None:
        """Raise ClusterError unless a cluster answers."""
        try:
            self._run(["version", "--output=json", "--request-timeout=10s"], doing="asking for its version")
        except ClusterError as error:
            hint = "`kubectl config get-contexts` lists the clusters that you know, and marks the one that is asked."
            raise ClusterError(f"No cluster answers. {error}\n{hint}") from None

    def get(self, kinds: Sequence[str], *words: str) -> list[Manifest]:
        """Objects of these kinds, by names or a selector; none is no error."""
        command = [
            "get",
            ",".join(kinds),
            *words,
            "--output=json",
            "--ignore-not-found",
            "--request-timeout=10s",
        ]
        text = self._run(command, doing=f"looking for {', '.join(kinds)}")
        if not text.strip():
            return []
        found: dict[str, Any] = json.loads(text)
        return list(found["items"]) if found.get("kind") == "List" else [found]

    def apply(self, objects: Sequence[Manifest]) -> None:
        """Apply by the server, in this order. What a webhook or SinkBinding wrote into our fields is taken back: they
        write it again within the same request."""
        everything = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        command = ["apply", "--server-side", "--force-conflicts", "--field-manager=tocsin", "--filename=-"]
        self._run(command, given=json.dumps(everything), seconds=CHANGE_SECONDS, doing="applying the overlay")

    def delete(self, namespace: str, objects: Sequence[tuple[str, str]]) -> None:
        """Delete these (resource, name) one kind after the other, and wait until they are gone."""
        kinds = dict.fromkeys(kind for kind, _ in objects)
        for kind in kinds:
            names = [name for of, name in objects if of == kind]
            command = [
                "delete",
                kind,
                *names,
                f"--namespace={namespace}",
                "--ignore-not-found",
                "--wait=true",
            ]
            self._run(command, seconds=CHANGE_SECONDS, doing=f"deleting {kind}")

    def logs(self, namespace: str, owner: str) -> str:
        """The end of what a pod of this owner wrote; empty when it can't be read."""
        command = [
            self.program,
            "logs",
            owner,
            f"--namespace={namespace}",
            "--tail=20",
            "--request-timeout=10s",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout if done.returncode == 0 else ""

    def _run(self, words: Sequence[str], *, doing: str, given: str = "", seconds: float = ASK_SECONDS) -> str:
        command = [self.program, *words]
        try:
            done = subprocess.run(
                command, input=given, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise ClusterError(
                f"{doing.capitalize()} took longer than {seconds:g} s; kubectl gave no answer."
            ) from None
        if done.returncode:
            said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
            raise ClusterError(f"{doing.capitalize()} failed; kubectl says:\n{said}")
        return done.stdout
