"""The Knative objects of a cluster, as kubectl tells. Reads no Secret, and writes nothing."""

import json
import shutil
import subprocess
from typing import Any

from shared.manage.doctor.facts import Cluster, KnativeObject, Nothing, Trouble

KINDS = (
    "services.serving.knative.dev",
    "brokers.eventing.knative.dev",
    "triggers.eventing.knative.dev",
    "pingsources.sources.knative.dev",
    "sinkbindings.sources.knative.dev",
)
_LONGEST = 200


def look(namespace: str, seconds: float) -> Cluster | Trouble | Nothing:
    """The objects and why they are not Ready; Nothing without kubectl, without a cluster, and without Tocsin in it."""
    program = shutil.which("kubectl")
    if program is None:
        return Nothing("kubectl is not installed here")
    request = f"--request-timeout={max(1, int(seconds / 2))}s"
    command = [program, "get", ",".join(KINDS), "--namespace", namespace, "--output", "json", request]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return Nothing(f"no cluster answered kubectl within {seconds:g} s")
    if done.returncode:
        return _refused(done.stderr)
    try:
        objects = [_object(item) for item in json.loads(done.stdout)["items"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return Trouble("kubectl printed something that is no list of objects")
    if not objects:
        return Nothing(f"there is no Knative object in namespace {namespace}; --namespace names another")
    return Cluster(namespace, objects)


def _refused(said: str) -> Trouble | Nothing:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    why = lines[-1][:_LONGEST] if lines else "it says nothing"
    if "forbidden" in why.lower() or "unauthorized" in why.lower():
        return Trouble(f"kubectl may not look: {why}")
    return Nothing(f"no cluster with Knative answers: {why}")


def _object(item: dict[str, Any]) -> KnativeObject:
    return KnativeObject(str(item["kind"]), str(item["metadata"]["name"]), _unready(item.get("status") or {}))


def _unready(status: dict[str, Any]) -> str:
    """Why it is not Ready; empty when it is."""
    ready = next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), None)
    if ready is None:
        return "its controller has said nothing about it yet"
    if ready.get("status") == "True":
        return ""
    words = [str(ready[key]) for key in ("reason", "message") if ready.get(key)]
    return (": ".join(words) or f"Ready is {ready.get('status')}")[:_LONGEST]
