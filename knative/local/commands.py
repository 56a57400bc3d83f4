"""Which program a container's command is on this machine.

Must not import what it runs: the `tocsin` command is found beside the interpreter, or by its name in pyproject.toml.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from knative.local.errors import LocalError

FUNCTIONS_FRAMEWORK = (sys.executable, "-m", "functions_framework")
_ENTRY = re.compile(r"([\w.]+):(\w+)")


def argv(command: Sequence[str], root: Path, owner: str) -> list[str]:
    """The command to start; without one, functions-framework, as in the image."""
    if not command:
        return list(FUNCTIONS_FRAMEWORK)
    program, rest = command[0], list(command[1:])
    if program in ("python", "python3"):
        return [sys.executable, *rest]
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    if found:
        return [found, *rest]
    entry = _ENTRY.fullmatch(_scripts(root).get(program, ""))
    if entry is None:
        raise LocalError(
            f"{owner} runs {program!r}, which is not installed beside {sys.executable}; run `make setup`"
        )
    return [
        sys.executable,
        "-c",
        f"import sys; from {entry[1]} import {entry[2]} as run; sys.exit(run())",
        *rest,
    ]


def _scripts(root: Path) -> dict[str, str]:
    path = root / "pyproject.toml"
    if not path.is_file():
        return {}
    scripts = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {}).get("scripts", {})
    return {str(name): str(entry) for name, entry in scripts.items()}
