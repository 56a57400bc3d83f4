"""The evaluate function as a real process: what it answers, and what it prints."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.functions import (
    FunctionProcess,
    child_environment,
    event_headers,
    post_event,
    post_tick,
    running_function,
)
from tests.support.processes import Child, accepts_connections, free_port
from tests.support.sink import Reply, Sink
from tests.support.world import INTERVAL, STEP, World

TICK = {"id": "1", "type": "dev.knative.sources.ping", "source": "/ping"}


def slot_now() -> int:
    return int(time.time()) // INTERVAL * STEP


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(Reply(202)) as opened:
        yield opened


@pytest.fixture
def evaluate(tmp_path: Path, sink: Sink) -> Iterator[FunctionProcess]:
    env = {"TOCSIN_STATE_DIR": str(tmp_path), "TOCSIN_LATENESS_SECONDS": "0", "K_SINK": sink.url}
    with running_function("evaluate", env) as process:
        yield process


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionProcess]:
    """One process for all that is refused, and leaves nothing."""
    env = {"TOCSIN_STATE_DIR": str(tmp_path_factory.mktemp("refusing"))}
    with running_function("evaluate", env) as process:
        yield process


def test_a_tick_is_answered_204_with_an_empty_body_also_when_it_comes_twice(
    evaluate: FunctionProcess,
) -> None:
    for _ in range(2):
        reply = post_tick(evaluate.url, slot_now())
        assert (reply.status_code, reply.content) == (204, b"")


def test_a_tick_evaluates_what_is_in_the_database(
    evaluate: FunctionProcess, tmp_path: Path, sink: Sink
) -> None:
    world = World(tmp_path, sink, "sqlite:///tocsin.db", "embedded:///metrics.db")
    world.add_monitor("mon_a")
    world.add_rule("rule_a")
    slot = slot_now()
    world.wiring.metrics().write(f"m value=11 {slot - 1000}".encode(), precision="ms")
    world.wiring.close()

    assert post_tick(evaluate.url, slot).status_code == 204

    assert world.told() == ["firing rule_a"]
    line = next(line for line in evaluate.logs if line["message"].startswith("tells FIRING"))
    assert line["function"] == "evaluate"
    assert line["rule_id"] == "rule_a"
    assert line["alert_id"].startswith("alert_")


def test_a_request_that_is_no_event_is_refused_without_a_traceback(refusing: FunctionProcess) -> None:
    reply = httpx.post(refusing.url, json={"hello": "world"}, trust_env=False)

    assert reply.status_code == 400
    assert "CloudEvent" in reply.text
    assert "Traceback" not in refusing.stdout + refusing.stderr


@pytest.mark.parametrize(
    ("change", "data"),
    [
        ({"time": "yesterday"}, '{"interval_seconds": 30}'),
        ({}, '{"interval_seconds": 0}'),
        ({}, '{"interval_seconds": 30, "shard": 2, "of": 2}'),
        ({}, "[1]"),
        ({}, "{"),
    ],
)
def test_a_tick_that_makes_no_sense_is_refused_for_good(
    refusing: FunctionProcess, change: dict[str, str], data: str
) -> None:
    reply = post_event(refusing.url, event_headers({**TICK, **change}), data)

    assert reply.status_code == 422
    assert "Traceback" not in refusing.stdout + refusing.stderr


def test_only_post_is_taken_and_health_is_answered(refusing: FunctionProcess) -> None:
    assert httpx.get(refusing.url, trust_env=False).status_code == 405
    assert httpx.get(f"{refusing.url}/health/liveness", trust_env=False).status_code == 200
    assert httpx.get(f"{refusing.url}/health/readiness", trust_env=False).status_code == 200


def test_a_database_out_of_reach_is_worth_another_try_and_its_password_stays_hidden(tmp_path: Path) -> None:
    url = f"mysql+pymysql://tocsin:s3cr3t-w0rd@127.0.0.1:{free_port()}/tocsin"
    with running_function(
        "evaluate", {"TOCSIN_DATABASE_URL": url, "TOCSIN_STATE_DIR": str(tmp_path)}
    ) as process:
        reply = post_tick(process.url, slot_now())
        output = process.stdout + process.stderr

    assert reply.status_code == 503
    assert "TOCSIN_DATABASE_URL" in reply.text
    assert "s3cr3t-w0rd" not in reply.text + output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOCSIN_DATABASE_URL", "postgres://user:s3cr3t-w0rd@host/x"), ("TOCSIN_EVENT_KEYS", "s3cr3t-w0rd")],
)
def test_a_wrong_setting_ends_the_start_and_names_its_variable(tmp_path: Path, name: str, value: str) -> None:
    env = {name: value, "TOCSIN_STATE_DIR": str(tmp_path)}
    with (
        pytest.raises(AssertionError, match=name) as failed,
        running_function("evaluate", env),
    ):
        pass

    assert "s3cr3t-w0rd" not in str(failed.value)
    assert "Traceback" not in str(failed.value)


def test_a_channels_file_that_cannot_be_used_ends_the_start_and_names_the_place(tmp_path: Path) -> None:
    file = tmp_path / "channels.yaml"
    file.write_text("channels: [{name: ops, kind: pigeon}]")
    env = {"TOCSIN_CHANNELS_FILE": str(file), "TOCSIN_STATE_DIR": str(tmp_path)}
    with (
        pytest.raises(
            AssertionError, match=r"channels\[0\]\.kind: 'pigeon' is not valid; valid kinds are"
        ) as failed,
        running_function("evaluate", env),
    ):
        pass

    assert "Traceback" not in str(failed.value)


@pytest.mark.parametrize("name", ["evaluate", "mcp_server"])
def test_a_function_starts_by_the_bare_command(name: str, tmp_path: Path) -> None:
    """One of each framework, Flask's and Starlette's; `test_installed` starts all of them."""
    port = free_port()
    script = Path(sys.executable).with_name("functions-framework")
    command = [str(script), "--source", f"functions/{name}/main.py", "--target", name]
    env = child_environment({"HOST": "127.0.0.1", "PORT": str(port), "TOCSIN_STATE_DIR": str(tmp_path)})
    env["PYTHONPATH"] = env["PYTHONPATH"].split(":")[
        0
    ]  # the packages come from the environment, not from the folder
    child = Child(command, tmp_path, env)
    try:
        child.wait_ready(lambda: accepts_connections(port), 30)
        assert (
            httpx.get(f"http://127.0.0.1:{port}/health/readiness", trust_env=False, timeout=10).status_code
            == 200
        )
    finally:
        child.stop()
