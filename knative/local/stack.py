"""The whole overlay running on this machine, as an object: `with Stack("laptop", state_dir) as stack: ...`.

One thread holds one event loop with everything in it; the methods here may be called from any other thread.
Must not know what the functions do: it starts what the manifests say.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from knative.local.errors import LocalError
from knative.local.faults import Faults
from knative.local.journal import Journal
from knative.local.options import Options
from knative.local.overlay import Overlay, read_overlay
from knative.local.rendering import objects_of
from knative.local.running import Running
from knative.local.troubles import Troubles

T = TypeVar("T")
PACKAGES = Path(__file__).resolve().parents[2]
"""The folder that holds the packages: the working directory of every function."""
START_SECONDS = 120.0
STOP_SECONDS = 30.0


def find_overlay(overlay: str | Path, root: Path) -> Path:
    """The folder of an overlay, or the file that one was rendered into: a path, or the name of one in knative/overlays.

    An installed package has no folders: its build rendered the overlays that run on one machine (build_hook.py).
    """
    given, overlays, rendered = Path(overlay), root / "knative" / "overlays", root / "knative" / "rendered"
    for folder in (given, overlays / given):
        if (folder / "kustomization.yaml").is_file():
            return folder.resolve()
    for file in (given, rendered / f"{given}.yaml"):
        if file.is_file():
            return file.resolve()
    known = {path.parent.name for path in overlays.glob("*/kustomization.yaml")}
    known |= {path.stem for path in rendered.glob("*.yaml")}
    raise LocalError(
        f"there is no overlay {overlay}; a folder with kustomization.yaml, a file that `kubectl kustomize` wrote, "
        f"or one of: {', '.join(sorted(known))}"
    )


class Stack:
    """Start, watch and end an overlay. Raises LocalError when it can't start; `stop` may be called at any time."""

    def __init__(
        self,
        overlay: str | Path = "laptop",
        state_dir: str | Path = ".tocsin",
        env_overrides: Mapping[str, str] | None = None,
        *,
        root: Path = PACKAGES,
        journal: Journal | None = None,
        options: Options | None = None,
    ) -> None:
        self.root, self.state = Path(root).resolve(), Path(state_dir).resolve()
        chosen = options or Options()
        self.options = replace(chosen, env={**chosen.env, **(env_overrides or {})})
        self.journal = journal or Journal()
        self.overlay: Overlay = read_overlay(objects_of(find_overlay(overlay, self.root), self.root))
        self._running: Running | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock: Any = None

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Stack:
        """Run the Jobs, start everything, wait until every Service is ready, then let the ticks begin."""
        self._claim_state()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stack", daemon=True)
        self._thread.start()
        try:
            self._running = Running(self.overlay, self.root, self.state, self.options, self.journal)
            self._call(
                self._running.start(), START_SECONDS + self.options.job_seconds + self.options.ready_seconds
            )
        except OSError as error:
            self.stop()
            raise LocalError(
                f"{error.filename or 'start'}: {error.strerror or type(error).__name__}"
            ) from error
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything, in order: ticks, functions, servers. Nothing is left behind."""
        if self._loop is None or self._thread is None:
            return
        loop, thread, running = self._loop, self._thread, self._running
        try:
            if running is not None:
                self._call(running.stop(), STOP_SECONDS)
        finally:
            self._loop = None
            # Only somebody who would not wait for the end leaves anything here.
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(STOP_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(STOP_SECONDS)
            loop.close()
            self._lock.close()

    def _claim_state(self) -> None:
        import fcntl

        try:
            self.state.mkdir(parents=True, exist_ok=True)
            self._lock = (self.state / "lock").open("w")
        except OSError as error:
            raise LocalError(
                f"the state folder {self.state} can't be used: {error.strerror}; choose another with --state"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            text = f"another runner uses {self.state}; stop it, or choose another folder with --state"
            raise LocalError(text) from error

    def _call(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        if self._loop is None:
            work.close()
            raise LocalError("the stack is not running")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(seconds)
        except KeyboardInterrupt:
            future.cancel()
            raise

    @property
    def running(self) -> Running:
        """What runs; LocalError before `start`."""
        if self._running is None:
            raise LocalError("the stack is not running")
        return self._running

    @property
    def inbox_url(self) -> str:
        return self.running.places.inbox_url

    @property
    def demo_site_url(self) -> str:
        return self.running.places.demo_site_url

    @property
    def redis_url(self) -> str:
        """Nobody listens there when the stack runs without Redis."""
        return self.running.places.redis_url

    @property
    def pids(self) -> dict[str, int]:
        """Process id of every Service; 0 between a death and the restart."""
        return {name: keeper.pid for name, keeper in self.running.keepers.items()}

    @property
    def restarts(self) -> dict[str, int]:
        """How often each Service's process was started again."""
        return {name: keeper.restarts for name, keeper in self.running.keepers.items()}

    def service_url(self, name: str) -> str:
        """Where the Service of that name listens."""
        return self.running.places.service_url(name)

    def broker_url(self, name: str) -> str:
        """Where the Broker of that name takes events."""
        return self.running.places.broker_url(name)

    def environment(self, name: str) -> dict[str, str]:
        """The environment that a Service's process sees: what a test needs to look at the same database."""
        return dict(self.running.keeper(name).command.environment)

    @property
    def reachable(self) -> Mapping[str, int]:
        """The Services that other machines can reach, and their ports."""
        return self.running.places.reachable

    def log(self, name: str) -> str:
        """Everything that a Service has written so far."""
        return self.running.keeper(name).command.log.read_text(encoding="utf-8", errors="replace")

    def messages(self, kind: str = "", name: str = "") -> list[dict[str, Any]]:
        """What the inbox holds, oldest first."""
        return [message.as_json() for message in self.running.inbox.messages.find(kind=kind, name=name)]

    def kill(self, name: str) -> int:
        """Kill a Service's processes as the kernel would (SIGKILL); the id of the one that died. It is restarted."""
        return self.running.keeper(name).kill()

    def lose_events(self) -> None:
        """Let the Broker forget every event that it holds, as when its process dies and another takes its place."""
        self._call(self.running.lose_events(), STOP_SECONDS)

    def inject(self, faults: Faults) -> None:
        """Let these faults happen from now on, and no others; `Faults()` ends them."""
        self._call(self._troubles().use(faults), STOP_SECONDS)

    def replace(self, name: str) -> None:
        """kill -9 of a Service's process, whose successor comes at once, as when its Pod is deleted."""
        self._call(self._later(partial(self._troubles().kill, name)), STOP_SECONDS)

    def broker_leaves(self) -> None:
        """The Broker dies with every event that it holds, and connections are refused."""
        self._call(self._troubles().broker_leaves(), STOP_SECONDS)

    def broker_comes_back(self) -> None:
        """The Broker takes events again."""
        self._call(self._troubles().broker_comes_back(), STOP_SECONDS)

    @property
    def broker_holds(self) -> int:
        """How many deliveries the Broker has under way."""
        return self.running.broker_holds

    def _troubles(self) -> Troubles:
        found = self.running.troubles
        if found is None:
            raise LocalError("the stack is not running")
        return found

    @staticmethod
    async def _later(work: Callable[[], T]) -> T:
        return work()

    def tick(self, name: str = "", seconds: float = 60.0, *, at: float | None = None) -> bool:
        """Send one PingSource's event (the only one's, without a name); whether it was taken.

        The event carries the present time, or `at` (epoch seconds): how a test lets hours pass.
        """
        return self._call(self.running.pinger(name).tick(at=at), seconds)

    def wait_ready(self, name: str, seconds: float = 30.0) -> None:
        """Wait until a Service answers its readiness probe, as after a restart."""
        self._call(self.running.ready(name, seconds), seconds + 5)

    def wait_for(self, what: Callable[[], bool], seconds: float = 30.0) -> bool:
        """Poll `what` until it holds; False when `seconds` pass before."""
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


async def _cancel_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
