"""What a Service (ksvc) or a Job runs: one container, its environment, its volumes, its probe.

Must not resolve references or addresses (environment.py and mounts.py do), nor start anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from knative.local.errors import ManifestError
from knative.local.fields import Fields

_POD_NO_MEANING = (
    "automountServiceAccountToken",
    "containerConcurrency",
    "enableServiceLinks",
    "idleTimeoutSeconds",
    "imagePullSecrets",
    "nodeSelector",
    "responseStartTimeoutSeconds",
    "restartPolicy",
    "securityContext",
    "serviceAccountName",
    "timeoutSeconds",
    "tolerations",
)
_CONTAINER_NO_MEANING = (
    "image",
    "imagePullPolicy",
    "livenessProbe",
    "name",
    "resources",
    "securityContext",
    "startupProbe",
)
_RESERVED = ("PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION")
VISIBILITY = "networking.knative.dev/visibility"
"""Label of a Service: with `cluster-local` nothing outside of the cluster reaches it."""
MIN_SCALE = "autoscaling.knative.dev/min-scale"
HINT = "tocsin.dev/hint"
"""Annotation of a Service: a line printed at start; `{url}` becomes the Service's address on this machine."""


@dataclass(frozen=True)
class Source:
    """One value out of a ConfigMap or Secret: `kind` names which, `key` may be empty (all keys)."""

    kind: str
    name: str
    key: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Variable:
    """One environment variable: a literal value or a source."""

    name: str
    value: str = ""
    source: Source | None = None


@dataclass(frozen=True)
class VolumePart:
    """Files of a volume from a ConfigMap or Secret; `items` maps key to path, empty means every key."""

    source: Source
    items: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mount:
    """A volume as one container sees it; without parts it is an empty folder."""

    volume: str
    path: str
    parts: tuple[VolumePart, ...]


@dataclass(frozen=True)
class Container:
    """The one container of a workload. `probe` is the readiness path, empty for a TCP check."""

    command: tuple[str, ...]
    variables: tuple[Variable, ...]
    environments: tuple[tuple[str, Source], ...]
    mounts: tuple[Mount, ...]
    probe: str


@dataclass(frozen=True)
class Service:
    namespace: str
    name: str
    labels: dict[str, str]
    container: Container
    hint: str
    public: bool
    min_scale: int = 0


@dataclass(frozen=True)
class Job:
    namespace: str
    name: str
    labels: dict[str, str]
    container: Container


def read_service(
    namespace: str, name: str, labels: dict[str, str], annotations: dict[str, str], fields: Fields
) -> Service:
    """A serving.knative.dev/v1 Service; of its scaling only the least has a meaning on one machine, which runs one."""
    spec = fields.below("spec")
    template = spec.below("template")
    least = template.below("metadata").below("annotations")
    min_scale = least.text(MIN_SCALE, "0")
    if not min_scale.isdecimal():
        raise least.refuse(MIN_SCALE, "a whole number in quotes")
    container = _read_pod(template.below("spec"))
    template.done(("metadata",))
    spec.done(("traffic",))
    for variable in container.variables:
        if variable.name in _RESERVED:
            raise ManifestError(
                fields.file, f"env {variable.name}", variable.value, "any name but those Knative sets"
            )
    public = labels.get(VISIBILITY) != "cluster-local"
    hint = annotations.get(HINT, "")
    return Service(namespace, name, labels, container, hint, public, int(min_scale))


def read_job(namespace: str, name: str, labels: dict[str, str], fields: Fields) -> Job:
    """A batch/v1 Job, which runs once, to its end, before any Service starts."""
    spec = fields.below("spec")
    template = spec.below("template")
    container = _read_pod(template.below("spec"))
    if not container.command:
        raise ManifestError(
            fields.file, "spec.template.spec.containers[0].command", None, 'a command such as ["tocsin", ...]'
        )
    template.done(("metadata",))
    spec.done(
        ("activeDeadlineSeconds", "backoffLimit", "completions", "parallelism", "ttlSecondsAfterFinished")
    )
    return Job(namespace, name, labels, container)


def _read_pod(pod: Fields) -> Container:
    containers = pod.each("containers")
    if len(containers) != 1:
        raise pod.refuse("containers", "exactly one container")
    volumes = {volume.text("name"): _read_volume(volume) for volume in pod.each("volumes")}
    container = _read_container(containers[0], volumes)
    pod.done(_POD_NO_MEANING)
    return container


def _read_volume(volume: Fields) -> tuple[VolumePart, ...]:
    if volume.has("projected"):
        projected = volume.below("projected")
        parts = tuple(_read_part(source) for source in projected.each("sources"))
        projected.done(("defaultMode",))
    elif volume.has("configMap") or volume.has("secret"):
        parts = (_read_part(volume, ("name",)),)
    else:
        volume.below("emptyDir").done(("medium", "sizeLimit"))
        parts = ()
    volume.done(("name",))
    return parts


def _read_part(fields: Fields, besides: tuple[str, ...] = ()) -> VolumePart:
    kind = "ConfigMap" if fields.has("configMap") else "Secret"
    below = fields.below("configMap" if kind == "ConfigMap" else "secret")
    direct = kind == "Secret" and below.has("secretName")
    name = below.text("secretName" if direct else "name")
    items = {}
    for item in below.each("items"):
        items[item.text("key")] = item.text("path")
        item.done(("mode",))
    found = VolumePart(Source(kind, name, "", below.flag("optional")), items)
    below.done(("defaultMode",))
    fields.done(besides)
    return found


def _read_container(fields: Fields, volumes: dict[str, tuple[VolumePart, ...]]) -> Container:
    mounts = []
    for mount in fields.each("volumeMounts"):
        name = mount.text("name")
        if name not in volumes:
            raise mount.refuse("name", f"one of the volumes: {', '.join(volumes) or 'none are declared'}")
        mounts.append(Mount(name, mount.text("mountPath").rstrip("/"), volumes[name]))
        mount.done(("readOnly",))
    found = Container(
        fields.words("command") + fields.words("args"),
        tuple(_read_variable(item) for item in fields.each("env")),
        tuple(_read_environment(item) for item in fields.each("envFrom")),
        tuple(mounts),
        _read_probe(fields.below("readinessProbe")),
    )
    for port in fields.each("ports"):
        port.done(("containerPort", "name", "protocol"))
    fields.done(_CONTAINER_NO_MEANING)
    return found


def _read_probe(fields: Fields) -> str:
    get = fields.below("httpGet")
    path = get.text("path", "")
    get.done(("port", "scheme"))
    fields.done(
        (
            "failureThreshold",
            "initialDelaySeconds",
            "periodSeconds",
            "successThreshold",
            "tcpSocket",
            "timeoutSeconds",
        )
    )
    return path


def _read_variable(fields: Fields) -> Variable:
    name = fields.text("name")
    if not fields.has("valueFrom"):
        found = Variable(name, fields.text("value", ""))
        fields.done()
        return found
    origin = fields.below("valueFrom")
    if not (origin.has("configMapKeyRef") or origin.has("secretKeyRef")):
        raise fields.refuse("valueFrom", "configMapKeyRef or secretKeyRef")
    key = "configMapKeyRef" if origin.has("configMapKeyRef") else "secretKeyRef"
    ref = origin.below(key)
    kind = "ConfigMap" if key == "configMapKeyRef" else "Secret"
    source = Source(kind, ref.text("name"), ref.text("key"), ref.flag("optional"))
    ref.done()
    origin.done()
    fields.done()
    return Variable(name, source=source)


def _read_environment(fields: Fields) -> tuple[str, Source]:
    key = "configMapRef" if fields.has("configMapRef") else "secretRef"
    ref = fields.below(key)
    source = Source(
        "ConfigMap" if key == "configMapRef" else "Secret", ref.text("name"), "", ref.flag("optional")
    )
    ref.done()
    prefix = fields.text("prefix", "")
    fields.done()
    return prefix, source
