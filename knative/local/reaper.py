"""The reaper: a small process that outlives the runner by a moment and ends every process group it left behind.

It reads `+<group>` and `-<group>` lines from its standard input; when that ends, the runner is gone, however it went
(a `kill -9` runs no handler). Run as a script with the standard library only. Must not import anything of this package.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 2.0
POLL_SECONDS = 0.05


def alive(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end(groups: set[int]) -> None:
    """Ask every group to stop; kill those that are left after a grace."""
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Keep the list until standard input ends, then end what is on it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        if line.startswith("+"):
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    end(groups)


if __name__ == "__main__":
    main()
