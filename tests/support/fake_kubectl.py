"""A stand-in for kubectl and the cluster behind it: it keeps what is applied, and says of it what it is told to say.

It never refuses an object, so it proves what is asked of a cluster and in which order, and nothing about a cluster.
What `kubectl kustomize` prints is what the real one made. Run as a program, from the standard library alone; tests use
`Cluster`.
"""

import json
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READY: dict[str, Any] = {
    "conditions": [{"type": "Ready", "status": "True"}, {"type": "Complete", "status": "True"}],
    "readyReplicas": 9,
}


@dataclass
class Cluster:
    """The folder in which the stand-in keeps its objects, its calls, and what it is told to say."""

    folder: Path

    def install(self, overlays: Mapping[str, str]) -> Path:
        """Write the program; the folder that holds it goes on the PATH. `overlays` are built ones, by their names."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write("overlays", dict(overlays))
        program = self.folder / "bin" / "kubectl"
        program.parent.mkdir()
        source = Path(__file__).read_text(encoding="utf-8")
        started = f"if __name__ == '__main__':\n    sys.exit(main({str(self.folder)!r}))\n"
        program.write_text(f"#!{sys.executable} -ISs\n{source}\n\n{started}", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return program.parent

    def read(self, name: str, default: Any) -> Any:
        """What is kept under this name."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default

    def write(self, name: str, value: Any) -> None:
        """Keep this under the name."""
        (self.folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")

    def definitions(self, version: str, *names: str) -> None:
        """Install custom resource definitions, as a release of Knative labels them."""
        labels = {"app.kubernetes.io/version": version}
        made: list[dict[str, Any]] = [
            {"kind": "CustomResourceDefinition", "metadata": {"name": name, "labels": labels}}
            for name in names
        ]
        self.write(
            "objects",
            self.read("objects", {})
            | {f"customresourcedefinitions/{one['metadata']['name']}": one for one in made},
        )

    def say(self, of: str, *statuses: dict[str, Any]) -> None:
        """What is answered about `statefulsets.apps/mariadb`: one status for each question, the last one for ever."""
        self.write("statuses", self.read("statuses", {}) | {of: list(statuses)})

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every call."""
        return list(self.read("calls", []))

    @property
    def objects(self) -> dict[str, Any]:
        """Everything that is there, by resource and name."""
        return dict(self.read("objects", {}))

    @property
    def applied(self) -> list[list[str]]:
        """What each apply brought, by resource and name, in its order."""
        return list(self.read("applied", []))


def main(folder: str) -> int:
    """One call of the stand-in."""
    cluster, words = Cluster(Path(folder)), sys.argv[1:]
    if words[0] == "kustomize":
        sys.stdout.write(cluster.read("overlays", {})[Path(words[1]).name])
        return 0
    cluster.write("calls", [*cluster.calls, words])
    refusal = cluster.read("refusals", {}).get(words[0])
    if refusal:
        sys.stderr.write(refusal)
        return 1
    return {"version": _version, "get": _get, "apply": _apply, "delete": _delete, "logs": _logs}[words[0]](
        cluster, words[1:]
    )


def _version(cluster: Cluster, words: list[str]) -> int:
    sys.stdout.write("{}")
    return 0


def _resource(item: dict[str, Any]) -> str:
    group, slash, _ = item["apiVersion"].rpartition("/")
    kind = item["kind"].lower()
    return (f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s") + (f".{group}" if slash else "")


def _apply(cluster: Cluster, words: list[str]) -> int:
    assert {"--server-side", "--filename=-"} <= set(words)
    given = json.load(sys.stdin)["items"]
    keyed = {f"{_resource(item)}/{item['metadata']['name']}": item for item in given}
    cluster.write("objects", cluster.objects | keyed)
    cluster.write("applied", [*cluster.applied, list(keyed)])
    return 0


def _get(cluster: Cluster, words: list[str]) -> int:
    kinds, flags = words[0].split(","), [word for word in words[1:] if word.startswith("--")]
    names = [word for word in words[1:] if not word.startswith("--")]
    selector = next((flag.partition("=")[2] for flag in flags if flag.startswith("--selector=")), "")
    statuses, found = cluster.read("statuses", {}), []
    for key, item in cluster.objects.items():
        kind, _, name = key.partition("/")
        label, _, value = selector.partition("=")
        labelled = not selector or item["metadata"].get("labels", {}).get(label) == value
        if kind in kinds and labelled and (not names or name in names):
            told = statuses.get(key, [READY])
            found.append(item | {"status": told[0]})
            statuses[key] = told[1:] or told
    cluster.write("statuses", statuses)
    sys.stdout.write(
        "" if not found else json.dumps(found[0] if len(found) == 1 else {"kind": "List", "items": found})
    )
    return 0


def _delete(cluster: Cluster, words: list[str]) -> int:
    kind, *rest = words
    gone = {f"{kind}/{name}" for name in rest if not name.startswith("--")}
    cluster.write("objects", {key: item for key, item in cluster.objects.items() if key not in gone})
    return 0


def _logs(cluster: Cluster, words: list[str]) -> int:
    sys.stdout.write(cluster.read("logs", ""))
    return 0
