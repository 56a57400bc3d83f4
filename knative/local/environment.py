"""The environment of one process: exactly what its manifest says, as a pod would see it.

Must not let the caller's own environment through, beyond what an interpreter needs to run at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from knative.local.addresses import LOOPBACK, Addresses
from knative.local.errors import LocalError
from knative.local.mounts import Lookup, real_path
from knative.local.options import Pass
from knative.local.overlay import Overlay
from knative.local.resources import SinkBinding
from knative.local.workloads import Container, Job, Service, Source

_NECESSARY = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "VIRTUAL_ENV"})
_REFERENCE = re.compile(r"\$(\$)?\(([A-Za-z_][A-Za-z0-9_]*)\)")


def necessities(caller: Mapping[str, str]) -> dict[str, str]:
    """What an interpreter needs of the caller's environment, and nothing else."""
    kept = {name: value for name, value in caller.items() if name in _NECESSARY or name.startswith("PYTHON")}
    return kept | {"PYTHONUNBUFFERED": "1"}


def passed(caller: Mapping[str, str], passes: Sequence[Pass], workload: str) -> dict[str, str]:
    """What the caller's environment gives this workload, as it is; the first pass that knows a name decides."""
    found = {}
    for name, value in caller.items():
        deciding = next((one for one in passes if fnmatchcase(name, one.names)), None)
        if deciding is not None and fnmatchcase(workload, deciding.to):
            found[name] = value
    return found


def lookup_in(overlay: Overlay, namespace: str) -> Lookup:
    """Finds the ConfigMaps and Secrets of one namespace."""

    def find(source: Source) -> dict[str, str] | None:
        table = overlay.config_maps if source.kind == "ConfigMap" else overlay.secrets
        return table.get((namespace, source.name))

    return find


def declared(
    container: Container, owner: str, lookup: Lookup, expand: Callable[[str], str]
) -> dict[str, str]:
    """`envFrom`, then `env` over it; `$(NAME)` is replaced as in Kubernetes, values go through `expand`."""
    found: dict[str, str] = {}
    for prefix, source in container.environments:
        data = _needed(source, owner, lookup)
        found |= {prefix + key: expand(value) for key, value in data.items()}
    for variable in container.variables:
        if variable.source is None:
            value = _REFERENCE.sub(lambda m: _referenced(m, found), variable.value)
        else:
            data = _needed(variable.source, owner, lookup)
            if variable.source.key not in data:
                if variable.source.optional:
                    continue
                raise LocalError(
                    f"{owner}: {variable.name} takes key {variable.source.key}, "
                    f"which is not in {_called(variable.source)}"
                )
            value = data[variable.source.key]
        found[variable.name] = expand(value)
    return found


def _referenced(match: re.Match[str], found: Mapping[str, str]) -> str:
    if match[1]:
        return f"$({match[2]})"
    return found.get(match[2], match[0])


def _needed(source: Source, owner: str, lookup: Lookup) -> dict[str, str]:
    data = lookup(source)
    if data is None and not source.optional:
        raise LocalError(
            f"{owner} takes its environment from {_called(source)}, which the overlay does not hold"
        )
    return data or {}


def _called(source: Source) -> str:
    return f"{source.kind} {source.name}"


def bound(overlay: Overlay, workload: Service | Job) -> SinkBinding | None:
    """The SinkBinding whose subject is this workload, by name or by labels."""
    kind = "Job" if isinstance(workload, Job) else "Service"
    for binding in overlay.bindings:
        if (binding.subject_kind, binding.namespace) != (kind, workload.namespace):
            continue
        by_labels = binding.subject_labels and binding.subject_labels.items() <= workload.labels.items()
        if binding.subject_name == workload.name or by_labels:
            return binding
    return None


def environment(
    overlay: Overlay,
    workload: Service | Job,
    *,
    caller: Mapping[str, str],
    addresses: Addresses,
    mounts: dict[str, str],
    overrides: Mapping[str, str],
    state: Path,
    port: int = 0,
    host: str = LOOPBACK,
    passes: Sequence[Pass] = (),
) -> dict[str, str]:
    """What the process of `workload` sees: the manifest, over it what the caller passes on, then `overrides`, and last
    the runner's own names.
    """

    def expand(value: str) -> str:
        return real_path(addresses.translate(value), mounts)

    owner = f"{type(workload).__name__} {workload.name}"
    found = necessities(caller)
    given = declared(workload.container, owner, lookup_in(overlay, workload.namespace), expand)
    found |= given
    found |= {name: expand(value) for name, value in overlay.stand_ins.items() if name in given}
    found |= passed(caller, passes, workload.name)
    found |= {name: expand(value) for name, value in overrides.items()}
    binding = bound(overlay, workload)
    if binding is not None:
        found["K_SINK"] = addresses.resolve(binding.sink)
        found["K_CE_OVERRIDES"] = json.dumps({"extensions": binding.extensions}) if binding.extensions else ""
    if isinstance(workload, Service):
        found |= {"PORT": str(port), "HOST": host, "K_SERVICE": workload.name}
        found |= {"K_REVISION": f"{workload.name}-local", "K_CONFIGURATION": workload.name}
    return found | {"TOCSIN_STATE_DIR": str(state)}
