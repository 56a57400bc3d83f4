"""Tocsin as the image holds it, without an engine to build the image: knative/Containerfile's steps, done by uv.

The wheel is built, installed with the lock file into an empty environment, and started from a folder that is laid out
as /app is. Nothing of the checkout is on any path. uv's cache makes it quick, and needs no network once it is warm.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uv
import yaml

from tests.support.processes import ROOT, Child

_EXTRAS = "local,otel"
_INSTALL_SECONDS = 120


@dataclass(frozen=True)
class Installed:
    """An environment, and the folder /app of an image with its volume `data`; `guard` keeps it on this machine."""

    environment: Path
    app: Path
    data: Path
    guard: Path

    @property
    def packages(self) -> Path:
        """Where the wheel was unpacked."""
        (found,) = self.environment.glob("lib/python*/site-packages")
        return found

    def rendered(self, overlay: str) -> list[dict[str, Any]]:
        """The objects of an overlay, from the file in the package."""
        text = (self.packages / "knative" / "rendered" / f"{overlay}.yaml").read_text(encoding="utf-8")
        return list(yaml.safe_load_all(text))

    def variables(self, **more: str) -> dict[str, str]:
        """The environment of a container: what the image says, and `more`. The socket guard comes by PYTHONPATH."""
        image = {"HOME": str(self.data), "XDG_RUNTIME_DIR": str(self.data), "PYTHONUNBUFFERED": "1"}
        path = os.pathsep.join([str(self.environment / "bin"), "/usr/bin", "/bin"])
        return {
            "PATH": path,
            **image,
            "PYTHONPATH": str(self.guard),
            "TOCSIN_STATE_DIR": str(self.data),
            **more,
        }

    def run(self, *command: str, **more: str) -> str:
        """What a command of the environment prints; AssertionError with all of it when it fails."""
        program = shutil.which(command[0], path=str(self.environment / "bin"))
        assert program is not None, f"{command[0]} is not installed"
        return _run([program, *command[1:]], self.app, self.variables(**more))

    def start(self, command: list[str], logs: Path, **more: str) -> Child:
        """A process of the container."""
        return Child(command, logs, self.variables(**more), cwd=self.app)


def install(folder: Path) -> Installed:
    """Build the wheel and install it below `folder`, with the versions of the lock file."""
    wheels, environment, app = folder / "dist", folder / "venv", folder / "app"
    _uv("build", "--quiet", "--wheel", "--out-dir", str(wheels), str(ROOT))
    (wheel,) = wheels.glob("*.whl")
    python = environment / "bin" / "python"
    _uv("venv", "--quiet", "--python", sys.executable, str(environment))
    lock = ["--constraint", str(ROOT / "requirements.lock")]
    _uv("pip", "install", "--quiet", "--python", str(python), *lock, f"{wheel}[{_EXTRAS}]")
    shutil.copy(ROOT / "knative" / "serve.sh", environment / "bin" / "serve")
    guard = folder / "guard"
    for made in (app, folder / "data", guard):
        made.mkdir()
    text = (ROOT / "tests" / "support" / "guard.py").read_text(encoding="utf-8")
    (guard / "sitecustomize.py").write_text(f"{text}\n\ninstall()\n", encoding="utf-8")
    found = Installed(environment, app, folder / "data", guard)
    (app / "functions").symlink_to(found.packages / "functions")
    return found


def _uv(*arguments: str) -> None:
    """Without a network if the cache will do, else with it."""
    try:
        _run([uv.find_uv_bin(), "--offline", *arguments], ROOT, os.environ)
    except AssertionError:
        _run([uv.find_uv_bin(), *arguments], ROOT, os.environ)


def _run(command: list[str], folder: Path, variables: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}")
    return done.stdout
