"""Child processes for tests: started on a free loopback port, gone when the tests are gone.

Their output goes to files, never to pipes that somebody would have to empty.
"""

import itertools
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

_FIRST, _LAST = 10_000, 32_000
"""Below Linux's ephemeral ports (32768 on): an outgoing connection must not take the port before its server does."""

_ports = itertools.count(_FIRST + os.getpid() * 997 % (_LAST - _FIRST))
"""Begins elsewhere in every process, so that test runs side by side don't ask for the same ports."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now, and that this process gives out once."""
    for number in itertools.islice(_ports, _LAST - _FIRST):
        port = _FIRST + (number - _FIRST) % (_LAST - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"no port between {_FIRST} and {_LAST} is free")


def accepts_connections(port: int) -> bool:
    """Whether somebody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Child:
    """One process and its output. `stop()` is safe to call twice."""

    def __init__(
        self, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = Path(command[0]).name
        self._out, self._err = folder / "stdout.log", folder / "stderr.log"
        with self._out.open("ab") as out, self._err.open("ab") as err:
            self.process = subprocess.Popen(
                [*_dies_with_us(), *command],
                env=None if env is None else dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def stdout(self) -> str:
        """Everything that it printed so far."""
        return self._out.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """Everything that it complained about so far."""
        return self._err.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], within: float) -> None:
        """Return when `ready()`; raise AssertionError with the output when it ends or takes too long."""

        def check() -> bool:
            if not self.running:
                raise AssertionError(
                    f"{self.name} ended with {self.process.returncode}\n{self.stdout}\n{self.stderr}"
                )
            return ready()

        try:
            wait_until(check, f"{self.name} ready", within)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self.stdout}\n{self.stderr}") from error

    def kill(self) -> None:
        """SIGKILL to the process and everything that it started: nothing of it gets a chance to clean up."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, within: float = 10.0) -> None:
        """SIGTERM, and SIGKILL for what is left after `within` seconds."""
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return


def _dies_with_us() -> list[str]:
    """A prefix for a command whose process ends when ours does, however ours ends; empty where it can't be had."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
