"""The whole local stack with real functions-framework processes: it delivers, restarts, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis

from knative.local.errors import LocalError
from knative.local.options import Options
from knative.local.stack import PACKAGES, Stack
from tests.support.local_overlay import EVENTING, SOURCES, binding, function, job, ref, thing, write_overlay
from tests.support.waiting import wait_until

FUNCTIONS = """
import json, os, pathlib, time, urllib.request
import flask, functions_framework

if os.environ.get("BROKEN"):
    raise RuntimeError("this function is broken on purpose")
flask.current_app.add_url_rule("/health/readiness", "readiness", lambda: "", methods=["GET"])


def post(url, body, **headers):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json", **headers})
    return urllib.request.urlopen(request, timeout=5).status


@functions_framework.http
def evaluate(request):
    if neighbour := os.environ.get("NEIGHBOUR"):
        folder = pathlib.Path(os.environ["TOCSIN_STATE_DIR"])
        (folder / "begun").touch()
        time.sleep(1)  # work, while the stack is told to stop
        (folder / "answered").write_text(str(urllib.request.urlopen(neighbour, timeout=5).status))
        return "", 204
    print(json.dumps({"message": "fired", "level": "info", "function": "evaluate", "rule_id": "rule_1"}))
    event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/t", "ce-type": "fired", "ce-toslack": "true"}
    post(os.environ["K_SINK"], {"rule": 1}, **event)
    return "", 204


@functions_framework.http
def notify_slack(request):
    if request.path == "/env":
        return dict(os.environ)
    post(os.environ["SLACK_URL"], {"text": "it fires: " + request.headers["ce-type"]})
    return "", 204
"""


def overlay(folder: Path, *more: Any, **env: str) -> Path:
    """evaluate -> broker -> notify-slack -> inbox."""
    source = folder / "functions_under_test.py"
    folder.mkdir(parents=True, exist_ok=True)
    source.write_text(FUNCTIONS, encoding="utf-8")
    delivery = {"retry": 2, "backoffPolicy": "linear", "backoffDelay": "PT0.2S", "timeout": "PT10S"}
    trigger = {
        "broker": "main",
        "filter": {"attributes": {"toslack": "true"}},
        "subscriber": ref("Service", "notify-slack"),
    }
    ping = {
        "schedule": "0 0 1 1 *",
        "sink": ref("Service", "evaluate"),
        "contentType": "application/json",
        "data": "{}",
    }
    return write_overlay(
        folder,
        *more,
        thing("v1", "Namespace", "tocsin"),
        thing(EVENTING, "Broker", "main", annotations={"messaging.knative.dev/async-handler": "true"}),
        function("evaluate", source, **env),
        function("notify-slack", source, SLACK_URL="http://inbox.laptop.local/slack/ops"),
        thing(EVENTING, "Trigger", "slack", trigger | {"delivery": delivery}),
        thing(SOURCES, "PingSource", "tick", ping),
        binding("evaluate", "main"),
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    script = "import os, pathlib; pathlib.Path(os.environ['TOCSIN_STATE_DIR'], 'job').write_text('done')"
    made = overlay(folder / "overlay", job("migrate", "python", "-c", script))
    os.environ["NOT_FOR_FUNCTIONS"] = "secret"
    try:
        with Stack(made, folder / "state", {"EXTRA": "given"}) as running:
            yield running
    finally:
        del os.environ["NOT_FOR_FUNCTIONS"]


def test_a_tick_becomes_an_event_and_the_event_a_message_in_the_inbox(stack: Stack) -> None:
    before = len(stack.messages("slack"))
    assert stack.tick()
    assert stack.wait_for(lambda: len(stack.messages("slack")) > before, 10)
    message = stack.messages("slack", "ops")[-1]
    assert message["title"] == "it fires: fired"
    listed = httpx.get(f"{stack.inbox_url}/messages.json?kind=slack").json()
    assert listed["messages"][-1] == message


def test_jobs_ran_before_and_a_function_sees_its_manifest_and_nothing_of_the_caller(stack: Stack) -> None:
    assert (stack.state / "job").read_text(encoding="utf-8") == "done"
    seen = httpx.post(stack.service_url("notify-slack") + "/env").json()
    assert seen["SLACK_URL"] == f"{stack.inbox_url}/slack/ops"
    assert (seen["K_SERVICE"], seen["EXTRA"], seen["TOCSIN_STATE_DIR"]) == (
        "notify-slack",
        "given",
        str(stack.state),
    )
    assert "NOT_FOR_FUNCTIONS" not in seen
    assert "K_SINK" not in seen
    assert stack.environment("evaluate")["K_SINK"] == stack.broker_url("main")


def test_a_killed_function_is_restarted_at_once_at_the_same_address(stack: Stack) -> None:
    died = stack.kill("notify-slack")
    assert stack.wait_for(lambda: stack.pids["notify-slack"] not in (0, died), 10)
    stack.wait_ready("notify-slack")
    assert httpx.get(stack.service_url("notify-slack") + "/health/readiness").status_code == 200
    assert stack.restarts["notify-slack"] == 1
    written = json.loads((stack.state / "stack.json").read_text(encoding="utf-8"))
    assert written["services"]["notify-slack"] == {
        "url": stack.service_url("notify-slack"),
        "pid": stack.pids["notify-slack"],
    }
    assert any("was killed by SIGKILL; starting again now" in note.text for note in stack.journal.notes)


def test_a_delivery_that_fails_once_is_repeated_by_the_broker(stack: Stack) -> None:
    before = len(stack.messages("slack"))
    httpx.post(f"{stack.inbox_url}/faults", json={"path": "/slack/ops", "status": 500, "times": 1})
    assert stack.tick()
    assert stack.wait_for(lambda: len(stack.messages("slack")) > before, 15)


def test_redis_answers_the_real_client(stack: Stack) -> None:
    with redis.Redis.from_url(stack.redis_url) as client:
        client.set("key", "value", ex=60)
        assert client.get("key") == b"value"


def test_a_second_runner_of_the_same_state_folder_is_refused(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="another runner uses"):
        Stack(overlay(tmp_path / "overlay"), stack.state).start()


def test_a_state_folder_or_a_port_that_cannot_be_used_is_named_with_the_option_to_change(
    tmp_path: Path,
) -> None:
    made, file = overlay(tmp_path / "overlay"), tmp_path / "file"
    file.touch()
    with pytest.raises(LocalError, match=r"the state folder .*file can't be used: File exists; .* --state"):
        Stack(made, file).start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port} for the inbox can't be used: .* --inbox-port"):
            Stack(made, tmp_path / "state", options=Options(inbox_port=port)).start()
    with pytest.raises(LocalError, match="port 99999 for the inbox can't be used: ports go from 0 to 65535"):
        Stack(made, tmp_path / "state", options=Options(inbox_port=99999)).start()


def test_stopping_leaves_no_process_and_no_listener(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with Stack(
        overlay(tmp_path / "o"), tmp_path / "s", options=Options(without=frozenset({"redis"}))
    ) as stack:
        url, redis_url = stack.inbox_url, stack.redis_url
        with redis.Redis.from_url(redis_url) as client, pytest.raises(redis.ConnectionError):
            client.ping()
    assert set(psutil.Process().children(recursive=True)) <= before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_what_a_tick_woke_may_end_its_work_with_other_functions(tmp_path: Path) -> None:
    made = overlay(tmp_path / "o", NEIGHBOUR="http://notify-slack.tocsin.svc.cluster.local/health/readiness")
    begun, answered = tmp_path / "s" / "begun", tmp_path / "s" / "answered"
    with Stack(made, tmp_path / "s") as stack, ThreadPoolExecutor(1) as pool:
        pool.submit(stack.tick)
        wait_until(begun.exists, "the tick is at work", within=10)
        stack.stop()
    assert answered.read_text() == "200"


def runner(tmp_path: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    """`python -m knative.local` of the small overlay on free ports."""
    made = overlay(tmp_path / "overlay", **env)
    command = [
        sys.executable,
        "-m",
        "knative.local",
        "--overlay",
        str(made),
        "--state",
        str(tmp_path / "state"),
    ]
    command += ["--inbox-port", "0", "--port-base", "0", *arguments]
    return subprocess.Popen(
        command, cwd=PACKAGES, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_however_the_runner_ends_no_function_outlives_it(tmp_path: Path, number: signal.Signals) -> None:
    with runner(tmp_path) as process:
        assert process.stdout is not None
        output = "".join(itertools.takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 4
        process.send_signal(number)
        process.stdout.read()
    wait_until(lambda: not any(alive(child) for child in children), "every function ended", 20)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert "Not needed on one machine: Namespace\n" in output
    assert re.search(r"Inbox +http://127\.0\.0\.1:\d+", output)


def test_a_signal_that_comes_twice_at_once_is_one_wish_and_everything_stops_in_order(tmp_path: Path) -> None:
    with runner(tmp_path) as process:
        assert process.stdout is not None
        "".join(itertools.takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        output = process.stdout.read()
    assert process.returncode == 0
    assert "Everything has stopped" in output
    assert "Traceback" not in output
    assert "destroyed" not in output


def test_a_function_that_cannot_start_ends_the_runner_with_its_output(tmp_path: Path) -> None:
    with runner(tmp_path, BROKEN="1") as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "evaluate can't start" in output
    assert "this function is broken on purpose" in output


def test_a_job_that_fails_ends_the_start_with_its_output(tmp_path: Path) -> None:
    failing = job("migrate", "python", "-c", "import sys; sys.exit('no database there')")
    with pytest.raises(LocalError, match=r"(?s)migrate ended with status 1.*no database there"):
        Stack(overlay(tmp_path / "o", failing), tmp_path / "s").start()


def test_the_runner_waits_for_messages_no_longer_than_it_was_told(tmp_path: Path) -> None:
    with runner(tmp_path, "--until-message", "1", "--timeout", "0.5") as process:
        process.communicate(timeout=30)
    assert process.returncode == 3
