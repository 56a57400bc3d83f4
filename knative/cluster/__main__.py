"""The command `python -m knative.cluster`. Must not know kubectl's words nor a kind's status: the others do."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from knative.cluster import objects as of
from knative.cluster.kubectl import ClusterError, Kubectl
from knative.cluster.objects import Found, Manifest

OVERLAYS = Path(__file__).resolve().parents[1] / "overlays"
POLL_SECONDS = 2.0

_WATCHED = (
    "brokers.eventing.knative.dev",
    "services.serving.knative.dev",
    "sinkbindings.sources.knative.dev",
    "triggers.eventing.knative.dev",
    "pingsources.sources.knative.dev",
    "statefulsets.apps",
    "deployments.apps",
    "jobs.batch",
)
"""What can be ready or not."""

_REMOVED = (*_WATCHED, "networkpolicies.networking.k8s.io", "poddisruptionbudgets.policy", "serviceaccounts")
"""What goes when an overlay no longer has it. Settings and Secrets stay: older revisions name them."""


def deploy(kubectl: Kubectl, folder: Path, image: str, timeout: float) -> None:
    """Servers, settings and the migration first; functions and what wakes them when the database is ready."""
    overlay = of.prepared(kubectl.render(folder), folder.name, image)
    namespace, deadline = of.namespace_of(overlay), time.monotonic() + timeout
    check_cluster(kubectl, overlay)
    jobs = [(of.resource(item), of.name_of(item)) for item in overlay if item["kind"] == "Job"]
    if jobs and kubectl.get(["namespaces"], namespace):
        kubectl.delete(namespace, jobs)  # a Job's template can't be changed, so the last one has to go
    say(
        f"Applying settings, policies, the Broker{_and_servers(overlay)} and the migration in namespace {namespace}"
    )
    kubectl.apply(of.first(overlay))
    wait(kubectl, namespace, ["statefulsets.apps", "jobs.batch"], deadline)
    say("Applying the functions and what wakes them")
    kubectl.apply(of.last(overlay))
    selector = f"--selector={of.OVERLAY}={folder.name}"
    gone = of.left_over(overlay, kubectl.get(_REMOVED, f"--namespace={namespace}", selector))
    gone = [
        item for item in gone if not item["metadata"].get("ownerReferences")
    ]  # those go with their owners
    for item in gone:
        say(f"Removing {item['kind']} {of.name_of(item)}, which the overlay no longer has")
    kubectl.delete(namespace, [(of.resource(item), of.name_of(item)) for item in gone])
    wait(kubectl, namespace, _WATCHED, deadline)
    say("Everything is ready.")
    show_addresses(kubectl, namespace)


def _and_servers(overlay: Sequence[Manifest]) -> str:
    servers = [of.name_of(item) for item in overlay if item["kind"] == "StatefulSet"]
    return f", {', '.join(servers)}" if servers else ""


def check_cluster(kubectl: Kubectl, overlay: Sequence[Manifest]) -> None:
    """Raise ClusterError unless a cluster answers that has all that the overlay needs of Knative."""
    kubectl.version()
    wanted = of.needed(overlay)
    there = {of.name_of(item): item for item in kubectl.get(["customresourcedefinitions"], *wanted)}
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ClusterError(
            f"This cluster lacks {', '.join(missing)}. The overlay needs Knative Serving and Eventing {of.KNATIVE} or "
            "newer, and the Broker's class where it names one; docs/deploy.md says what to install."
        )
    for name, item in there.items():
        version = item["metadata"].get("labels", {}).get("app.kubernetes.io/version", "")
        if of.older(version):
            say(f"Warning: {name} is of Knative {version}; the manifests were held against {of.KNATIVE}.")


def wait(kubectl: Kubectl, namespace: str, kinds: Sequence[str], deadline: float) -> None:
    """Until all objects of these kinds work. Raises ClusterError for a failed Job, and at the deadline."""
    told: set[str] = set()
    while True:
        found = states(kubectl, namespace, kinds)
        waiting = [one for one in found if not one.ready]
        failed = [one for one in waiting if one.kind == "Job" and one.ready is False]
        if failed:
            output = kubectl.logs(namespace, f"job/{failed[0].name}")
            raise ClusterError(
                f"Job {failed[0].name} failed ({failed[0].why}). The end of its output:\n{output}"
            )
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise ClusterError("Not ready in time:\n" + table(waiting) + "\n`make status` shows it again.")
        news = {f"{one.kind} {one.name}" for one in waiting}
        if news != told:
            say(f"Waiting for {_some(sorted(news))}")
            told = news
        time.sleep(POLL_SECONDS)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def states(kubectl: Kubectl, namespace: str, kinds: Sequence[str]) -> list[Found]:
    """What the cluster says of our objects of these kinds."""
    there = kubectl.get(kinds, f"--namespace={namespace}", f"--selector={of.PART_OF}=tocsin")
    return [of.state_of(item) for item in there if not item["metadata"].get("ownerReferences")]


def status(kubectl: Kubectl, folder: Path) -> None:
    """Print a line for each object that can be ready or not, those that aren't first."""
    namespace = of.namespace_of(kubectl.render(folder))
    kubectl.version()
    found = states(kubectl, namespace, _WATCHED)
    if not found:
        raise ClusterError(
            f"There is nothing of Tocsin in namespace {namespace}; `make deploy OVERLAY={folder.name}`."
        )
    say(table(sorted(found, key=lambda one: bool(one.ready))))
    show_addresses(kubectl, namespace)
    waiting = sum(not one.ready for one in found)
    if waiting:
        raise ClusterError(f"{waiting} of {len(found)} are not ready.")


def undeploy(kubectl: Kubectl, folder: Path) -> None:
    """Take away what the overlay made, but the namespace with Secrets and volumes, which can't be made again."""
    overlay = kubectl.render(folder)
    namespace = of.namespace_of(overlay)
    kubectl.version()
    ordered = [*reversed(of.last(overlay)), *reversed(of.first(overlay))]
    going = [item for item in ordered if item["kind"] not in ("Namespace", "Secret")]
    kubectl.delete(namespace, [(of.resource(item), of.name_of(item)) for item in going])
    say(f"Removed {len(going)} objects. Kept: namespace {namespace} with its Secrets and volumes.")
    say(f"To delete these too, and all data in them: kubectl delete namespace {namespace}")


def table(found: Sequence[Found]) -> str:
    """A line for each."""
    words = {True: "ready", False: "failed", None: "waiting"}
    rows = [(one.kind, one.name, words[one.ready], one.why) for one in found]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    )


def show_addresses(kubectl: Kubectl, namespace: str) -> None:
    """Where the outside reaches the functions that it may reach."""
    there = kubectl.get([_WATCHED[1]], f"--namespace={namespace}", f"--selector={of.PART_OF}=tocsin")
    for name, url in of.addresses(there):
        say(f"{name} is public: {url}")


def say(text: str) -> None:
    """One thing to know, at once."""
    print(text, flush=True)


def main() -> int:
    """Do one verb; 1 when it failed."""
    parser = argparse.ArgumentParser(
        prog="python -m knative.cluster",
        description="Bring an overlay into a cluster, and take it out again.",
    )
    parser.add_argument("verb", choices=["deploy", "status", "undeploy"])
    parser.add_argument(
        "--overlay", default="dev", help="name of an overlay, or a path to one (default: dev)"
    )
    parser.add_argument("--image", default="", help="image of the functions, in place of the overlay's")
    parser.add_argument("--timeout", type=float, default=600, help="seconds until everything has to be ready")
    given = parser.parse_args()
    folder = OVERLAYS / given.overlay if (OVERLAYS / given.overlay).is_dir() else Path(given.overlay)
    try:
        if given.verb == "deploy":
            deploy(Kubectl(), folder, given.image, given.timeout)
        else:
            {"status": status, "undeploy": undeploy}[given.verb](Kubectl(), folder)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
