"""`python -m tests.support.install`: puts the servers that the tests want on this machine, where it may.

It installs Debian packages when it is root, and says one line for each server. It starts no service, and fails only
when a server is missing under CI=true.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import PACKAGES, find

_POLICY = Path("/usr/sbin/policy-rc.d")
_APT = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "APT::Sandbox::User=root"]


def main() -> int:
    """Install what is missing; the exit status."""
    missing = [program for program in PACKAGES if find(program) is None]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        _install([PACKAGES[program] for program in missing])
    lacking = [program for program in PACKAGES if find(program) is None]
    for program in PACKAGES:
        if program in lacking:
            print(f"{program}: not available, its tests are skipped (Debian package: {PACKAGES[program]})")
        else:
            print(f"{program}: {'installed' if program in missing else 'found'}")
    return 1 if lacking and os.environ.get("CI") == "true" else 0


def _install(packages: list[str]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        for arguments in (["update"], ["install", "--no-install-recommends", "-y", *packages]):
            done = subprocess.run(
                [*_APT, *arguments], env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            if done.returncode:
                print(f"apt-get {arguments[0]} failed:\n{done.stdout.decode(errors='replace').strip()}")


@contextmanager
def _no_services() -> Iterator[None]:
    """Packages start their service once installed; the tests use their own, so for this moment none may start."""
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
