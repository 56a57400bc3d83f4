"""The processes of the local stack: how long one that will not end is waited for."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from knative.local.journal import Journal
from knative.local.processes import GRACE_SECONDS, Command, Keeper, Reaper
from tests.support.waiting import until

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: print('heard', flush=True));"
    "print('ready', flush=True)\nwhile True: time.sleep(1)"
)


async def stopped(log: Path, grace: float) -> tuple[list[str], float]:
    """What a process said that ignores SIGTERM, and how many seconds its end took."""
    lines: list[str] = []
    watcher = Reaper()
    await watcher.start()
    command = Command("stubborn", [sys.executable, "-c", STUBBORN], {}, log.parent, log)
    keeper = Keeper(command, watcher, Journal(), lines.append)
    await keeper.start()
    await until(lambda: lines == ["ready"], "the process is ready")
    began = time.monotonic()
    await keeper.stop(grace)
    took = time.monotonic() - began
    assert keeper.pid == 0
    await watcher.stop()
    return lines, took


@pytest.mark.parametrize("grace", [0, 0.5])
def test_a_process_that_will_not_end_is_killed_after_the_grace_that_was_given(
    tmp_path: Path, grace: float
) -> None:
    lines, took = asyncio.run(stopped(tmp_path / "stubborn.log", grace))

    assert grace <= took < GRACE_SECONDS
    assert lines == ["ready", "heard"] or grace == 0
