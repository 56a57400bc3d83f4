"""Strategic-merge patches, for mappings only.

Kustomize knows no schema for Knative's kinds and replaces their lists whole, but merges lists of built-in
kinds by key. A list in a patch would therefore mean two things, and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from knative.local.errors import LocalError, ManifestError
from knative.local.fields import Fields


def apply_patches(fields: Fields, folder: Path, shown: Callable[[Path], str], objects: list[Any]) -> None:
    """Apply the `patches:` of one kustomization to `objects` in place; `$patch: delete` removes an object."""
    for item in fields.each("patches"):
        target = _target(item.below("target")) if item.has("target") else None
        source = item.file
        if item.has("path"):
            path = folder / item.text("path")
            if not path.is_file():
                raise item.refuse("path", "a file beside the kustomization")
            text, source = path.read_text(encoding="utf-8"), shown(path)
        else:
            text = item.text("patch")
        item.done(("options",) if target is None else ())
        for patch in _parsed(text, source):
            matching = [
                found for found in objects if _matches(found.body, target or _identity(patch, source))
            ]
            if not matching:
                raise ManifestError(
                    source, "patch", target or _identity(patch, source), "a patch of something loaded"
                )
            for found in matching:
                if patch.get("$patch") == "delete":
                    objects.remove(found)
                else:
                    _merge(found.body, _without_identity(patch) if target else patch, source, "")


def _parsed(text: str, source: str) -> list[dict[str, Any]]:
    try:
        documents = [d for d in yaml.safe_load_all(text) if d is not None]
    except yaml.YAMLError as error:
        raise LocalError(f"{source}: a patch is not valid YAML: {error}") from error
    for document in documents:
        if not isinstance(document, dict):
            raise ManifestError(
                source, "patches.patch", document, "a strategic merge (a mapping), not JSON 6902"
            )
    return documents


def _target(fields: Fields) -> dict[str, str]:
    names = ("group", "version", "kind", "name", "namespace")
    found = {name: fields.text(name) for name in names if fields.has(name)}
    fields.done()
    return found


def _identity(patch: dict[str, Any], source: str) -> dict[str, str]:
    metadata = patch.get("metadata") or {}
    if "kind" not in patch or "name" not in metadata:
        raise ManifestError(source, "patch", patch, "a target, or a patch with kind and metadata.name")
    group, _, version = str(patch.get("apiVersion", "")).rpartition("/")
    found = {"kind": str(patch["kind"]), "name": re.escape(str(metadata["name"]))}
    if patch.get("apiVersion"):
        found |= {"group": group, "version": version}
    return found


def _matches(body: dict[str, Any], target: dict[str, str]) -> bool:
    group, _, version = str(body.get("apiVersion", "")).rpartition("/")
    metadata = body.get("metadata") or {}
    facts = {"group": group, "version": version, "kind": str(body.get("kind", ""))}
    facts |= {"name": str(metadata.get("name", "")), "namespace": str(metadata.get("namespace", ""))}
    return all(re.fullmatch(pattern, facts[key]) for key, pattern in target.items())


def _without_identity(patch: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in patch.items() if key not in ("apiVersion", "kind")}
    metadata = {k: v for k, v in (kept.pop("metadata", None) or {}).items() if k not in ("name", "namespace")}
    return kept | ({"metadata": metadata} if metadata else {})


def _merge(into: dict[str, Any], patch: dict[str, Any], source: str, path: str) -> None:
    for key, value in patch.items():
        here = f"{path}.{key}" if path else key
        if key == "$patch" or isinstance(value, list):
            raise ManifestError(
                source, here, value, "mappings and plain values in a patch, or `$patch: delete` at its top"
            )
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            below = into.setdefault(key, {})
            if not isinstance(below, dict):
                raise ManifestError(source, here, value, f"a plain value, as in what it patches ({below!r})")
            _merge(below, value, source, here)
        else:
            into[key] = value
