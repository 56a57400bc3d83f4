"""Who can reach functions that run on one machine: nobody else's machine, unless it is asked for and guarded."""

import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

from knative.local.errors import LocalError
from knative.local.options import EVERYWHERE, Options
from knative.local.stack import Stack
from tests.support.local_overlay import function, service, write_overlay
from tests.support.processes import ROOT, free_port

PRIVATE = {"networking.knative.dev/visibility": "cluster-local"}
SOURCE = """
import flask, functions_framework
flask.current_app.add_url_rule("/health/readiness", "readiness", lambda: "", methods=["GET"])

@functions_framework.http
def answer(request):
    return ""
"""


def listens_on(port: int) -> set[str]:
    """The addresses of this machine on which somebody listens on the port."""
    found = psutil.net_connections("tcp")
    addresses = [one.laddr for one in found if one.status == psutil.CONN_LISTEN and one.laddr]
    return {address.ip for address in addresses if address.port == port}


def overlay(folder: Path, *names: str, private: tuple[str, ...] = ()) -> Path:
    source = folder / "main.py"
    source.write_text(SOURCE, encoding="utf-8")
    made: list[dict[str, Any]] = []
    for name in names:
        one = function(name, source, FUNCTION_TARGET="answer")
        one["metadata"]["labels"] = PRIVATE if name in private else {}
        made.append(one)
    return write_overlay(folder / "overlay", *made)


def test_other_machines_reach_what_the_manifests_leave_public_and_what_was_asked_for(tmp_path: Path) -> None:
    made = overlay(tmp_path, "page", "inner", "opened", private=("inner", "opened"))
    ports = {"page": free_port(), "inner": free_port(), "opened": free_port()}

    with Stack(
        made,
        tmp_path / "state",
        options=Options(host=EVERYWHERE, public=frozenset({"opened"}), ports=ports, grace_seconds=0),
    ) as stack:
        found = {name: listens_on(port) for name, port in ports.items()}
        broker = listens_on(int(stack.inbox_url.rpartition(":")[2]))
        reachable = stack.reachable

    assert found == {"page": {"0.0.0.0"}, "inner": {"127.0.0.1"}, "opened": {"0.0.0.0"}}
    assert broker == {"127.0.0.1"}
    assert reachable == {"page": ports["page"], "opened": ports["opened"]}


def test_the_conversation_is_offered_to_other_machines_only_with_tokens(tmp_path: Path) -> None:
    env = {"FUNCTION_SOURCE": str(ROOT / "functions/mcp_server/main.py"), "FUNCTION_TARGET": "mcp_server"}
    env |= {"FUNCTION_USE_ASGI": "true", "TOCSIN_MCP_AUTH": "none"}
    variables = [{"name": name, "value": value} for name, value in env.items()]
    made = write_overlay(tmp_path / "overlay", service("mcp-server", env=variables))

    with pytest.raises(LocalError) as refused:
        Stack(made, tmp_path / "state", options=Options(host=EVERYWHERE)).start()

    assert refused.value.text == "mcp-server can't start"
    assert "TOCSIN_MCP_AUTH: 'none' is not valid; it is for this machine only" in refused.value.output
    assert "TOCSIN_MCP_AUTH=tokens" in refused.value.output


def test_a_port_or_function_that_cannot_be_is_named_before_anything_starts(tmp_path: Path) -> None:
    made = overlay(tmp_path, "page")
    for options, option in (
        (Options(ports={"gone": 8080}), "--port"),
        (Options(public=frozenset({"gone"})), "--public"),
    ):
        with pytest.raises(LocalError, match=f"{option}: there is no Service gone; there are: page"):
            Stack(made, tmp_path / "state", options=options).start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port} for the page can't be used: .* --port"):
            Stack(made, tmp_path / "state", options=Options(ports={"page": port})).start()
