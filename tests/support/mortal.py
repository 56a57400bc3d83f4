"""An evaluator that is killed with -9 at a step of its tick: before a statement or a commit of its database, or before
or after a request to the Broker. Steps are counted as they come, so that no list of them can be out of date.

A server process imports everything once and forks a child for each tick: `MortalEvaluator` talks to it. The child ends
by SIGKILL to itself; nothing of it gets a chance to clean up, and the kernel closes its connections.
"""

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import event

from shared import tick
from shared.broker import Broker
from shared.conditions import types
from shared.events import Event, Tick
from shared.settings import Settings
from shared.wiring import Wiring
from tests.support.functions import child_environment
from tests.support.processes import ROOT
from tests.support.world import World

KILLED = -signal.SIGKILL


class MortalEvaluator:
    """The server process, seen from the test. Use it as a context."""

    def __init__(self, world: World, folder: Path) -> None:
        plain = {name: getattr(world.settings, name) for name in Settings.model_fields}
        secret = {
            name: value.get_secret_value()
            for name, value in plain.items()
            if hasattr(value, "get_secret_value")
        }
        wanted = {**{k: str(v) for k, v in plain.items() if k in world.settings.model_fields_set}, **secret}
        env = {f"TOCSIN_{name.upper()}": value for name, value in wanted.items()}
        self._log = (folder / "mortal.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.mortal"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env=child_environment({**env, "K_SINK": f"{world.sink.url}/broker"}),
        )

    def __enter__(self) -> "MortalEvaluator":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def tick(self, wanted: Tick, dies_at: int) -> tuple[int, str]:
        """Run a tick that is killed at its step of that number (from 1): how it ended, KILLED or 0 when it has fewer
        steps, and its last step in words."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"slot": wanted.slot, "interval_seconds": wanted.interval_seconds, "dies_at": dies_at}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["status"], answer["step"]


# ------------------------------------------------------------------ in the child


class _Steps:
    """Counts, says where it is, and ends the process."""

    def __init__(self, dies_at: int, report: int) -> None:
        self._left, self._report = dies_at, report

    def at(self, step: str) -> None:
        """One step further."""
        self._left -= 1
        if self._left == 0:
            os.write(self._report, step.encode()[:500])
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()  # this thread goes no further while the others end


class _MortalBroker(Broker):
    def __init__(self, url: str, steps: _Steps) -> None:
        super().__init__(url)
        self._steps = steps

    def publish(self, event: Event) -> None:
        self._steps.at(f"before publishing {event.id}")
        super().publish(event)
        self._steps.at(f"after publishing {event.id}")


class _MortalWiring(Wiring):
    def __init__(self, chosen: Settings, steps: _Steps) -> None:
        super().__init__(chosen, os.environ)
        self._broker = _MortalBroker(os.environ["K_SINK"], steps)

    @property
    def broker(self) -> Broker:
        return self._broker


def _tick(asked: dict[str, Any], report: int) -> NoReturn:
    steps = _Steps(asked["dies_at"], report)
    wiring = _MortalWiring(Settings(), steps)
    engine = wiring.store.engine  # migrated: that is not the tick's work

    @event.listens_for(engine, "before_cursor_execute")
    def _statement(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        steps.at(" ".join(statement.split()))

    @event.listens_for(engine, "commit")
    def _commit(_conn: object) -> None:
        steps.at("COMMIT")

    tick.run(Tick(asked["slot"], asked["interval_seconds"]), wiring)
    os._exit(0)


def _import_everything() -> None:
    """What a tick imports on first use, so that no child has to; every connection is closed again before the first
    fork."""
    wiring = Wiring(Settings(), os.environ)
    made = (wiring.store, wiring.metrics(), wiring.channels, wiring.leases)
    assert all(made)
    wiring.close()
    for name in ("numpy.ma", *(f"shared.conditions.{kind}" for kind in types())):
        import_module(name)


def _serve() -> None:
    _import_everything()
    for line in sys.stdin:
        inward, outward = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(inward)
            try:
                _tick(json.loads(line), outward)
            finally:  # whatever was raised is in the log; a child must never go on as the server
                sys.excepthook(*sys.exc_info())
                os._exit(70)
        os.close(outward)
        _, status = os.waitpid(child, 0)
        with os.fdopen(inward) as told:
            step = told.read()
        sys.stdout.write(json.dumps({"status": os.waitstatus_to_exitcode(status), "step": step}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
