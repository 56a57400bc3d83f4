"""The command line as tests run it: in this process, or as a program of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT

PROGRAM = [sys.executable, "-c", "from shared.cli import main; main()"]


@dataclass(frozen=True)
class Ran:
    """What one command came to."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Tocsin = Callable[..., Ran]


def program(*arguments: str, cwd: Path, **variables: str) -> Ran:
    """`tocsin …` in a folder, with no setting but these."""
    ended = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr)
