"""Load a kustomization and everything it names, and build the objects as `kubectl kustomize` would.

Honoured: resources (files and folders), namespace, configMapGenerator, labels, strategic-merge patches.
Must not interpret kinds (resources.py does) and must not guess: what it can't honour is one ManifestError.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from knative.local.errors import LocalError, ManifestError
from knative.local.fields import Fields
from knative.local.patches import apply_patches

CLUSTER_SCOPED = frozenset({"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"})
"""Kinds that `namespace:` leaves alone."""

NO_MEANING = ("apiVersion", "kind", "metadata", "images", "configurations", "sortOptions", "buildMetadata")
"""Kustomization fields that change nothing here: no image is pulled, and names get no hash: nothing is rolled out."""


@dataclass
class Manifest:
    """One object and the file that it came from."""

    file: str
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.body.get("kind", ""))

    @property
    def name(self) -> str:
        return str((self.body.get("metadata") or {}).get("name", ""))


def load_overlay(path: Path, root: Path) -> list[Manifest]:
    """The objects of the kustomization in the folder `path`, in its order; errors name files relative to `root`.

    A file holds objects that were built already.
    """
    path, root = path.resolve(), root.resolve()
    if path.is_file():
        shown = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        return _objects(path, shown)
    return _Kustomization(path, root).build()


class _Kustomization:
    def __init__(self, folder: Path, root: Path, within: tuple[Path, ...] = ()) -> None:
        self.folder, self.root = folder, root
        self.path = folder / "kustomization.yaml"
        if folder in within:
            raise LocalError(
                f"{self._shown(folder)} includes itself: {' -> '.join(map(self._shown, within))}"
            )
        self.within = (*within, folder)
        if not self.path.is_file():
            raise LocalError(
                f"{self._shown(self.path)} does not exist; an overlay is a folder with kustomization.yaml"
            )

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def build(self) -> list[Manifest]:
        file = self._shown(self.path)
        documents = _documents(self.path, file)
        fields = Fields(documents[0] if documents else {}, file)
        objects = [found for entry in fields.words("resources") for found in self._resource(entry, fields)]
        self._generate(fields, objects)
        apply_patches(fields, self.folder, self._shown, objects)
        namespace = fields.text("namespace", "")
        labels = {key: value for item in fields.each("labels") for key, value in _pairs(item).items()}
        fields.done(NO_MEANING)
        for found in objects:
            metadata = found.body.setdefault("metadata", {})
            if namespace and found.kind not in CLUSTER_SCOPED:
                metadata["namespace"] = namespace
            if labels:
                metadata.setdefault("labels", {}).update(labels)
        return objects

    def _resource(self, entry: str, fields: Fields) -> list[Manifest]:
        path = (self.folder / entry).resolve()
        if path.is_dir():
            return _Kustomization(path, self.root, self.within).build()
        if not path.is_file():
            raise ManifestError(fields.file, "resources", entry, "files and folders that exist beside it")
        return _objects(path, self._shown(path))

    def _generate(self, fields: Fields, objects: list[Manifest]) -> None:
        options = fields.below("generatorOptions")
        labels = options.strings("labels")
        options.done(("disableNameSuffixHash",))
        for item in fields.each("configMapGenerator"):
            name = item.text("name")
            item.below("options").done(("disableNameSuffixHash",))
            data = self._data(item)
            namespace = item.text("namespace", "")
            behavior = item.choice("behavior", {"create": "create", "merge": "merge"}, "create")
            item.done()
            existing = [o for o in objects if o.kind == "ConfigMap" and o.name == name]
            if (behavior == "merge") != bool(existing):
                wanted = (
                    "merge, as its resources already hold it"
                    if existing
                    else "create, as nothing holds it yet"
                )
                raise ManifestError(fields.file, f"configMapGenerator {name}: behavior", behavior, wanted)
            if existing:
                existing[0].body.setdefault("data", {}).update(data)
                continue
            metadata: dict[str, Any] = {"name": name}
            metadata |= {"namespace": namespace} if namespace else {}
            metadata |= {"labels": dict(labels)} if labels else {}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            objects.append(Manifest(fields.file, body))

    def _data(self, item: Fields) -> dict[str, str]:
        data: dict[str, str] = {}
        for literal in item.words("literals"):
            key, sign, value = literal.partition("=")
            if not sign:
                raise ManifestError(item.file, item.at("literals"), literal, "KEY=VALUE")
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            data[key] = value[1:-1] if quoted else value
        for entry in item.words("files"):
            key, sign, given = entry.partition("=")
            path = self.folder / (given if sign else entry)
            if not path.is_file():
                raise ManifestError(item.file, item.at("files"), entry, "a file beside it, or KEY=FILE")
            data[key if sign else path.name] = path.read_text(encoding="utf-8")
        return data


def _pairs(item: Fields) -> dict[str, str]:
    pairs = item.strings("pairs")
    item.done(("includeSelectors", "includeTemplates"))
    return pairs


def _objects(path: Path, shown: str) -> list[Manifest]:
    found = []
    for index, body in enumerate(_documents(path, shown)):
        if not isinstance(body, dict):
            raise ManifestError(shown, f"(document {index + 1})", body, "a mapping with apiVersion and kind")
        found.append(Manifest(shown, body))
    return found


def _documents(path: Path, shown: str) -> list[Any]:
    try:
        loaded = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise LocalError(f"{shown} is not valid YAML: {error}") from error
    return [copy.deepcopy(document) for document in loaded if document is not None]
