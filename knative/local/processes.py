"""The processes behind Services and Jobs: started in groups of their own, watched, restarted, and always ended.

Must not know manifests: it is told a command, an environment and a folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from knative.local import reaper
from knative.local.errors import LocalError
from knative.local.journal import Journal

GRACE_SECONDS = 5.0
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1.0, 60.0
"""Waits before the second and later restarts of a process that keeps dying (Kubernetes: 10 s to 300 s)."""
STEADY_SECONDS = 60.0
"""A process that lived this long starts with no back-off again."""
LINE_LIMIT = 1 << 20
"""Bytes of one log line; a longer one is cut."""


@dataclass(frozen=True)
class Command:
    """What to run, with exactly which environment, and in which folder."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path


class Reaper:
    """The runner's line to reaper.py."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the reaper in a session of its own, so that no terminal signal reaches it."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", reaper.__file__, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )

    def watch(self, group: int) -> None:
        """End this group when the runner goes."""
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        """The group has ended, and its number may be somebody else's soon."""
        self._tell(f"-{group}")

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None and self._process.returncode is None:
            self._process.stdin.write(f"{line}\n".encode())

    async def stop(self) -> None:
        """End the reaper, after it ended what was still watched."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()


@dataclass
class Child:
    """One running process with its output being read."""

    process: asyncio.subprocess.Process
    reading: asyncio.Task[None]
    started: float
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=60))

    @property
    def output(self) -> str:
        """The last lines of what it wrote."""
        return "\n".join(self.last_lines)


async def spawn(command: Command, watcher: Reaper, on_line: Callable[[str], None]) -> Child:
    """Start `command` as the leader of its own group; each line it writes goes to its log and to `on_line`."""
    command.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            env=dict(command.environment),
            cwd=command.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=LINE_LIMIT,
        )
    except OSError as error:
        raise LocalError(f"{command.name} can't start: {command.argv[0]}: {error.strerror}") from error
    watcher.watch(process.pid)
    lines: deque[str] = deque(maxlen=60)
    reading = asyncio.create_task(
        _read(process, command.log, lines, on_line), name=f"output of {command.name}"
    )
    return Child(process, reading, time.monotonic(), lines)


async def _read(
    process: asyncio.subprocess.Process, log: Path, lines: deque[str], on_line: Callable[[str], None]
) -> None:
    assert process.stdout is not None
    with log.open("ab", buffering=0) as file:
        while True:
            try:
                raw = await process.stdout.readline()
            except ValueError:
                raw = b"(a line longer than the limit was cut)\n"
            if not raw:
                return
            file.write(raw)
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            lines.append(line)
            on_line(line)


async def end(child: Child, watcher: Reaper, grace: float = GRACE_SECONDS) -> None:
    """Ask the whole group to stop, kill what is left after `grace` seconds, and read its output to the end."""
    group = child.process.pid
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and (child.process.returncode is None or reaper.alive(group)):
        await asyncio.sleep(0.02)
    await bury(child, watcher)


async def bury(child: Child, watcher: Reaper) -> None:
    """Kill what is left of the group and wait for the process: workers must not outlive their master."""
    group = child.process.pid
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    await child.process.wait()
    watcher.forget(group)
    await child.reading


class Keeper:
    """Keeps one Service's process running: restarted at once the first time, then with growing waits."""

    def __init__(
        self, command: Command, watcher: Reaper, journal: Journal, on_line: Callable[[str], None]
    ) -> None:
        self.command, self._watcher, self._journal, self._on_line = command, watcher, journal, on_line
        self.child: Child | None = None
        self.restarts = 0
        self.on_restart: Callable[[], None] = lambda: None
        self._pardoned = False
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process's id; 0 between its death and its restart."""
        return self.child.process.pid if self.child and self.child.process.returncode is None else 0

    @property
    def watched(self) -> bool:
        """Whether a death is followed by a restart."""
        return self._watching is not None

    def kill(self, *, replaced: bool = False) -> int:
        """SIGKILL to the whole group, as the kernel would; the id of the process that died.

        `replaced`: as when somebody deletes a Pod, so that its successor comes at once; a container that dies again
        and again by itself is held back for longer each time.
        """
        pid = self.pid
        if not pid:
            raise LocalError(f"{self.command.name} is not running at this moment")
        self._pardoned = replaced
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        return pid

    async def start(self) -> None:
        """Start the process; it is not watched before `watch`, so that a failing start is seen as such."""
        self.child = await spawn(self.command, self._watcher, self._on_line)

    def watch(self) -> None:
        """From now on restart the process when it dies."""
        self._watching = asyncio.create_task(self._watch(), name=f"keeper of {self.command.name}")

    async def _watch(self) -> None:
        deaths = 0
        while True:
            assert self.child is not None
            status = await self.child.process.wait()
            await bury(self.child, self._watcher)
            if self._pardoned or time.monotonic() - self.child.started >= STEADY_SECONDS:
                deaths = 0
            deaths, self._pardoned = deaths + 1, False
            wait = (
                0.0
                if deaths == 1
                else min(FIRST_BACKOFF_SECONDS * 2 ** (deaths - 2), LONGEST_BACKOFF_SECONDS)
            )
            self.restarts += 1
            when = f"again in {wait:g} s" if wait else "again now"
            self._journal.note(
                self.command.name, f"its process {_died(status)}; starting {when}", level="warning"
            )
            await asyncio.sleep(wait)
            try:
                await self.start()
            except LocalError as error:
                self._journal.note(self.command.name, str(error), level="error")
            self.on_restart()

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """End the process and stop watching it; it is killed when it is still there after `grace` seconds.

        It may be started again.
        """
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        if self.child is not None:
            await end(self.child, self._watcher, grace)


def _died(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


async def run_once(command: Command, watcher: Reaper, on_line: Callable[[str], None], timeout: float) -> None:
    """Run a Job to its end; LocalError with its output when it fails or takes longer than `timeout` seconds."""
    child = await spawn(command, watcher, on_line)
    try:
        async with asyncio.timeout(timeout):
            status = await child.process.wait()
    except TimeoutError as error:
        await end(child, watcher)
        raise LocalError(f"{command.name} did not end within {timeout:g} s", child.output) from error
    await bury(child, watcher)
    if status != 0:
        raise LocalError(f"{command.name} {_died(status)}", child.output)
