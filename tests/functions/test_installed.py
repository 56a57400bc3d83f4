"""The wheel, installed with the lock file where nothing of the checkout is, runs as the image would run it."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.installed import Installed, install
from tests.support.processes import ROOT, Child, free_port
from tests.support.sink import Sink
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))
AT_ONCE = 4
READY_SECONDS = 60.0


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The image, as far as it can be had without an engine."""
    return install(tmp_path_factory.mktemp("image"))


def given_by_manifest(objects: list[dict[str, Any]], function: str) -> dict[str, str]:
    """What the manifest of a function sets without a Secret, and the settings of the ConfigMap."""
    (service,) = [
        item
        for item in objects
        if item["kind"] == "Service" and item["metadata"]["name"] == function.replace("_", "-")
    ]
    (settings,) = [
        item for item in objects if (item["kind"], item["metadata"]["name"]) == ("ConfigMap", "tocsin")
    ]
    (container,) = service["spec"]["template"]["spec"]["containers"]
    own = {one["name"]: one["value"] for one in container["env"]}
    # Mounted files are the cluster's; a container alone has none of them.
    return {
        **settings["data"],
        **{name: value for name, value in own.items() if not value.startswith("/etc/")},
    }


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/readiness", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_the_package_is_complete_and_comes_from_nowhere_else(image: Installed) -> None:
    def files(folder: Path) -> set[str]:
        return {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix not in (".pyc", ".pyo")
        }

    for package in ("functions", "shared", "knative/local"):
        assert files(image.packages / package) == files(ROOT / package)
    for module in ("shared", "functions", "knative.local"):
        home = image.run("python", "-c", f"import {module}; print({module}.__file__)").strip()
        assert Path(home).resolve().is_relative_to(image.packages)
    assert not {"pytest", "ruff", "mypy", "pip"} & {path.name for path in image.packages.iterdir()}


def test_every_function_starts_from_the_folder_of_the_image_by_its_manifest(
    image: Installed, tmp_path: Path
) -> None:
    objects = image.rendered("standalone")

    def starts(function: str) -> str:
        port = free_port()
        more = {**given_by_manifest(objects, function), "HOST": "127.0.0.1", "PORT": str(port)}
        more |= {"TOCSIN_REDIS_URL": "", "K_SERVICE": function.replace("_", "-")}
        python = str(image.environment / "bin" / "python")
        child = image.start([python, "-m", "functions_framework"], tmp_path / function, **more)
        try:
            child.wait_ready(lambda: is_ready(port), READY_SECONDS)
        finally:
            child.stop()
        return function

    # Between them these two import all there is: what they compile, the others need not.
    first = ["evaluate", "mcp_server"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        started = [*pool.map(starts, first), *pool.map(starts, sorted(set(FUNCTIONS) - set(first)))]
    assert sorted(started) == FUNCTIONS


@pytest.fixture
def vendor() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture
def serving(
    image: Installed, vendor: Sink, tmp_path: Path, new_mariadb_url: str, redis_url: str
) -> Iterator[tuple[Child, dict[str, int]]]:
    """`serve`, with servers and one webhook channel given as `docker run` would; and the ports that were told."""
    channels = tmp_path / "channels.yaml"
    channels.write_text("channels: [{name: ops, kind: webhook, default: true}]", encoding="utf-8")
    ports = {name: free_port() for name in ("ack", "mcp-server", "write")}
    options = [part for name, port in ports.items() for part in ("--port", f"{name}={port}")]
    serve = str(image.environment / "bin" / "serve")
    child = image.start(
        [serve, "--port-base", str(free_port()), *options],
        tmp_path / "serve",
        TOCSIN_DATABASE_URL=new_mariadb_url,
        TOCSIN_REDIS_URL=redis_url,
        TOCSIN_CHANNELS_FILE=str(channels),
        TOCSIN_SECRET_OPS_URL=f"{vendor.url}/hook",
        TOCSIN_SECRET_OPS_SIGNING_KEY="whsec_bm90IGEgc2VjcmV0LCBidXQgbG9uZyBlbm91Z2g=",
        TOCSIN_EVENT_KEYS="test:bm90IGEgc2VjcmV0LCBidXQgbG9uZyBlbm91Z2g=",
        TOCSIN_ALLOWED_HOSTS="127.0.0.1",
        TOCSIN_LATENESS_SECONDS="0",
        NOT_FOR_ANY_FUNCTION="x",
    )
    try:
        child.wait_ready(lambda: "Ctrl-C stops everything" in child.stdout, READY_SECONDS)
        yield child, ports
    finally:
        child.stop()


def check_environments(folder: Path) -> None:
    """Every function has the settings of the container, and only those that send have the secrets of channels."""
    seen = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}

    assert {name.replace("-", "_") for name in seen} >= set(FUNCTIONS)
    for name, variables in seen.items():
        assert ("TOCSIN_SECRET_OPS_URL" in variables) == name.startswith("notify-")
        assert variables["TOCSIN_LATENESS_SECONDS"] == "0"
        assert "NOT_FOR_ANY_FUNCTION" not in variables


def test_serve_runs_everything_tells_a_first_alert_and_stops_cleanly(
    image: Installed, vendor: Sink, serving: tuple[Child, dict[str, int]]
) -> None:
    child, ports = serving

    image.run("tocsin", "monitors", "add", "Boiler", "--measurement", "boiler")
    image.run("tocsin", "rules", "add", "Boiler hot", "--monitor", "Boiler", "--when", "degrees > 90")
    point = httpx.post(
        f"http://127.0.0.1:{ports['write']}/write", content="boiler degrees=99", trust_env=False
    )
    assert point.status_code == 204
    image.run("tocsin", "tick", "--interval", "1s")
    (told,) = vendor.wait_for(1, 40)
    seen = {one["check"]: one for one in json.loads(image.run("tocsin", "doctor", "--json"))}

    assert told.json()["data"]["rule"]["title"] == "Boiler hot"
    assert seen["database"]["said"].startswith("MariaDB")
    assert {seen[check]["verdict"] for check in ("migrations", "redis", "metrics default", "rules")} == {"ok"}
    assert is_ready(ports["mcp-server"])
    assert is_ready(ports["ack"])
    check_environments(image.data / "environments")
    child.process.send_signal(signal.SIGTERM)
    assert child.process.wait(20) == 0
    assert "Everything has stopped." in child.stdout
    wait_until(lambda: not any(map(is_ready, ports.values())), "nothing listens any more")
