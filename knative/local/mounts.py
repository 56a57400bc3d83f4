"""ConfigMap and Secret volumes, and environments, written as files below the state folder.

Must not leave a secret readable by others, and must not keep a file of an earlier run.
"""

from __future__ import annotations

import base64
import binascii
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from knative.local.errors import LocalError
from knative.local.fields import Fields
from knative.local.workloads import Container, Source

Lookup = Callable[[Source], dict[str, str] | None]
"""The data of a ConfigMap or Secret; None when there is none of that name."""


def decoded(fields: Fields, key: str, value: str) -> str:
    """The text of a Secret's base64 `data` entry; ManifestError when it is not base64 of UTF-8 text."""
    try:
        # Kustomize breaks long values into lines.
        return base64.b64decode("".join(value.split()), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise fields.refuse("data", f"base64 of UTF-8 text (key {key})") from error


def write_mounts(
    container: Container, owner: str, folder: Path, lookup: Lookup, translate: Callable[[str], str]
) -> dict[str, str]:
    """Write every volume of `container` below `folder`; returns mount path -> real path.

    Contents go through `translate`, so that in-cluster addresses in a mounted file lead to this machine.
    """
    if folder.exists():
        shutil.rmtree(folder)
    real: dict[str, str] = {}
    for mount in container.mounts:
        target = folder / mount.volume
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in mount.parts:
            data = lookup(part.source)
            if data is None:
                if part.source.optional:
                    continue
                raise LocalError(
                    f"{owner} mounts {part.source.kind} {part.source.name}, which the overlay does not hold"
                )
            for key, name in (part.items or {key: key for key in data}).items():
                if key not in data:
                    raise LocalError(
                        f"{owner} mounts key {key}, which is not in {part.source.kind} {part.source.name}"
                    )
                _write(target, name, translate(data[key]))
        real[mount.path] = str(target)
    return real


def _write(folder: Path, name: str, text: str) -> None:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise LocalError(f"a mounted file may not leave its folder: {name}")
    path = folder / relative
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def real_path(value: str, mounts: dict[str, str]) -> str:
    """`value` with a leading mount path replaced by where that volume is on this machine."""
    for path in sorted(mounts, key=len, reverse=True):
        if value == path or value.startswith(path + "/"):
            return mounts[path] + value[len(path) :]
    return value


def write_environment(seen: Mapping[str, str], path: Path) -> None:
    """Keep what a process sees, for a person's commands beside the stack; it holds secrets, as mounted files do."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(dict(seen), indent=2) + "\n", encoding="utf-8")
