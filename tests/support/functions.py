"""Real functions-framework processes, started the way a manifest starts them, and events posted to them."""

import base64
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import ROOT, Child, accepts_connections, free_port

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
READY_WITHIN_SECONDS = 30.0


class FunctionProcess:
    """One running function. `url` has no slash at the end."""

    def __init__(self, child: Child, port: int) -> None:
        self._child = child
        self.url = f"http://127.0.0.1:{port}"

    @property
    def pid(self) -> int:
        """Of the server; its workers are its children."""
        return self._child.process.pid

    @property
    def stdout(self) -> str:
        """What it printed so far."""
        return self._child.stdout

    @property
    def stderr(self) -> str:
        """What it logged to standard error so far."""
        return self._child.stderr

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The JSON lines of both streams."""
        lines = (self.stdout + "\n" + self.stderr).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def running(self) -> bool:
        return self._child.running

    def kill(self) -> None:
        """kill -9 of the server and its workers, at once."""
        self._child.kill()

    def stop(self) -> None:
        """What Knative does at scale-down: SIGTERM, then time to finish."""
        self._child.stop()


def child_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Exactly `env` and what any program needs; the child stays on this machine (`guard`)."""
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "child"), str(ROOT)]),
        **env,
    }


@contextmanager
def running_function(
    target: str,
    env: Mapping[str, str] | None = None,
    *,
    source: str | Path | None = None,
    ready: str | None = "/health/readiness",
    within: float = READY_WITHIN_SECONDS,
) -> Iterator[FunctionProcess]:
    """Run the function `target` of `source` (functions/<target>/main.py) and wait until `ready` answers 2xx.

    `ready` None takes any answer, for functions without health routes.

    Raises AssertionError with its output when it ends or is not ready within `within` seconds.
    """
    port = free_port()
    settings = {
        "FUNCTION_TARGET": target,
        "FUNCTION_SOURCE": str(source or f"functions/{target}/main.py"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **(env or {}),
    }
    with tempfile.TemporaryDirectory(prefix="tocsin-function-") as name:
        command = [sys.executable, "-m", "functions_framework"]
        child = Child(command, Path(name), child_environment(settings))
        try:
            child.wait_ready(lambda: _answers(port, ready), within)
            yield FunctionProcess(child, port)
        finally:
            child.stop()


def _answers(port: int, path: str | None) -> bool:
    if not accepts_connections(port):
        return False
    try:
        reply = httpx.get(f"http://127.0.0.1:{port}{path or '/'}", timeout=5, trust_env=False)
    except httpx.TransportError:
        return False  # it accepted but its worker is not up yet
    return path is None or reply.is_success


def event_headers(attributes: Mapping[str, str], content_type: str = "application/json") -> dict[str, str]:
    """The headers of an event in binary mode: `{"type": "…", "toslack": "true"}` → `ce-type`, `ce-toslack`."""
    given = {"specversion": "1.0", "time": "2026-01-01T00:00:00Z", **attributes}
    return {**{f"ce-{name}": value for name, value in given.items()}, "content-type": content_type}


def post_event(
    url: str, headers: Mapping[str, str], body: bytes | str | Mapping[str, Any], timeout: float = 30.0
) -> httpx.Response:
    """POST one event; a mapping is sent as JSON."""
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return httpx.post(url, headers=dict(headers), content=content, timeout=timeout, trust_env=False)


def post_tick(
    url: str, slot: int, interval_seconds: int = 30, timeout: float = 60.0, **data: int
) -> httpx.Response:
    """POST the tick of `slot` (epoch milliseconds) as a PingSource sends it; `data` may add `shard` and `of`."""
    time = datetime.fromtimestamp(slot / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    attributes = {
        "id": base64.urlsafe_b64encode(str(slot).encode()).decode().rstrip("="),
        "type": "dev.knative.sources.ping",
        "source": "/apis/v1/namespaces/tocsin/pingsources/tick",
        "time": time,
    }
    return post_event(url, event_headers(attributes), {"interval_seconds": interval_seconds, **data}, timeout)
