"""Everything that an overlay asks for, read from its manifests kind by kind.

Must not start or connect anything. A field that has no meaning on one machine is named here; any other
unknown field is an error, so that what runs here is what a cluster would run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from knative.local.errors import LocalError, ManifestError
from knative.local.fields import Fields
from knative.local.manifests import Manifest
from knative.local.mounts import decoded
from knative.local.resources import (
    INSTALL_DEFAULT,
    Broker,
    Delivery,
    Destination,
    PingSource,
    SinkBinding,
    Trigger,
    read_delivery,
    read_destination,
)
from knative.local.workloads import Job, Service, read_job, read_service

MEANINGLESS_KINDS = frozenset(
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "EventPolicy",
        "LimitRange",
        "Namespace",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ResourceQuota",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    }
)
ABSENT_KINDS = frozenset(
    {
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("batch/v1", "CronJob"),
        ("v1", "PersistentVolumeClaim"),
        ("v1", "Service"),
    }
)
"""What one machine lacks when it can't run it: it is named, with what stands in for it."""
STAND_IN = "tocsin.dev/stand-in"
"""Annotation of such an object: KEY=VALUE, one a line, which functions get in its place where they take KEY at all."""
OWN_CLASS = "MTChannelBasedBroker"
OTHER_CLASSES = frozenset({"Kafka", "KafkaNamespaced", "RabbitMQBroker"})
BROKER_CLASS = "eventing.knative.dev/broker.class"
ASYNC_HANDLER = "messaging.knative.dev/async-handler"


@dataclass
class Overlay:
    """Everything that an overlay asks for. Configuration is keyed by (namespace, name).

    `absent` says what of it can't run on one machine and what does instead; `stand_ins` are variables for that.
    """

    config_maps: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    secrets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    brokers: list[Broker] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    pings: list[PingSource] = field(default_factory=list)
    bindings: list[SinkBinding] = field(default_factory=list)
    meaningless: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    stand_ins: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """The metadata of one object."""

    namespace: str
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]


def read_overlay(manifests: Iterable[Manifest]) -> Overlay:
    """All objects, typed; ManifestError for what can't be honoured, LocalError for a dangling name."""
    overlay = Overlay()
    seen: set[tuple[str, str, str]] = set()
    for manifest in manifests:
        fields = Fields(manifest.body, manifest.file)
        kind, version = fields.text("kind"), fields.text("apiVersion")
        if kind in MEANINGLESS_KINDS:
            overlay.meaningless.append(f"{kind} {manifest.name}")
            continue
        if (version, kind) in ABSENT_KINDS:
            _read_absent(overlay, kind, manifest)
            continue
        if (version, kind) not in _READERS:
            known = sorted(f"{v} {k}" for v, k in _READERS)
            raise ManifestError(
                manifest.file,
                "kind",
                f"{version} {kind}",
                f"{', '.join(known)}; without meaning: {_listed()}",
            )
        named = _metadata(fields.below("metadata"))
        if (kind, named.namespace, named.name) in seen:
            raise ManifestError(manifest.file, "metadata.name", named.name, f"one {kind} of that name")
        seen.add((kind, named.namespace, named.name))
        _READERS[version, kind](overlay, named, fields)
        fields.done(("status",))
    _check_references(overlay)
    return overlay


def _listed() -> str:
    return ", ".join(sorted(MEANINGLESS_KINDS))


def _metadata(fields: Fields) -> Named:
    found = Named(
        fields.text("namespace", "default"),
        fields.text("name"),
        fields.strings("labels"),
        fields.strings("annotations"),
    )
    fields.done(("finalizers",))
    return found


def _read_config_map(overlay: Overlay, named: Named, fields: Fields) -> None:
    fields.flag("immutable")
    overlay.config_maps[named.namespace, named.name] = dict(fields.strings("data"))


def _read_secret(overlay: Overlay, named: Named, fields: Fields) -> None:
    fields.flag("immutable")
    fields.text("type", "Opaque")
    data = {key: decoded(fields, key, value) for key, value in fields.strings("data").items()}
    overlay.secrets[named.namespace, named.name] = data | fields.strings("stringData")


def _read_service(overlay: Overlay, named: Named, fields: Fields) -> None:
    overlay.services.append(
        read_service(named.namespace, named.name, named.labels, named.annotations, fields)
    )


def _read_job(overlay: Overlay, named: Named, fields: Fields) -> None:
    overlay.jobs.append(read_job(named.namespace, named.name, named.labels, fields))


def _read_absent(overlay: Overlay, kind: str, manifest: Manifest) -> None:
    named = _metadata(Fields(manifest.body, manifest.file).below("metadata"))
    instead = [line.strip() for line in named.annotations.get(STAND_IN, "").splitlines() if line.strip()]
    for line in instead:
        name, sign, value = line.partition("=")
        if not sign or not name:
            raise ManifestError(manifest.file, f"metadata.annotations.{STAND_IN}", line, "KEY=VALUE")
        overlay.stand_ins[name] = value
    if kind == "Service":  # an address, whose pods are named already
        return
    overlay.absent.append(f"{kind} {named.name}" + (f" (instead: {', '.join(instead)})" if instead else ""))


def _read_broker(overlay: Overlay, named: Named, fields: Fields) -> None:
    found = named.annotations.get(BROKER_CLASS, OWN_CLASS)
    if found in OTHER_CLASSES:
        overlay.absent.append(f"Broker {named.name} of class {found} (instead: one in memory)")
    elif found != OWN_CLASS:
        known = ", ".join([OWN_CLASS, *sorted(OTHER_CLASSES)])
        raise ManifestError(fields.file, f"metadata.annotations.{BROKER_CLASS}", found, known)
    spec = fields.below("spec")
    delivery = (
        read_delivery(spec.below("delivery"), named.namespace) if spec.has("delivery") else INSTALL_DEFAULT
    )
    spec.done(("config", "delivery"))
    at_once = named.annotations.get(ASYNC_HANDLER, "false") == "true"
    overlay.brokers.append(Broker(named.namespace, named.name, at_once, delivery))


def _read_trigger(overlay: Overlay, named: Named, fields: Fields) -> None:
    spec = fields.below("spec")
    chosen = spec.below("filter")
    attributes = chosen.strings("attributes")
    chosen.done()
    delivery = read_delivery(spec.below("delivery"), named.namespace) if spec.has("delivery") else None
    subscriber = read_destination(spec.below("subscriber"), named.namespace)
    broker = spec.text("broker")
    spec.done(("delivery",))
    overlay.triggers.append(Trigger(named.namespace, named.name, broker, attributes, subscriber, delivery))


def _read_ping(overlay: Overlay, named: Named, fields: Fields) -> None:
    spec = fields.below("spec")
    overlay.pings.append(
        PingSource(
            named.namespace,
            named.name,
            spec.text("schedule", "* * * * *"),
            spec.text("timezone", ""),
            spec.text("contentType", ""),
            spec.text("data", ""),
            spec.text("dataBase64", ""),
            read_destination(spec.below("sink"), named.namespace),
            _extensions(spec.below("ceOverrides")),
        )
    )
    if spec.has("data") and spec.has("dataBase64"):
        raise spec.refuse("dataBase64", "data or dataBase64, not both")
    spec.done()


def _read_binding(overlay: Overlay, named: Named, fields: Fields) -> None:
    spec = fields.below("spec")
    subject = spec.below("subject")
    pairs = {("serving.knative.dev/v1", "Service"): "Service", ("batch/v1", "Job"): "Job"}
    version, kind = subject.text("apiVersion"), subject.text("kind")
    if (version, kind) in ABSENT_KINDS:
        return
    if (version, kind) not in pairs:
        raise subject.refuse("kind", "serving.knative.dev/v1 Service or batch/v1 Job")
    selector = subject.below("selector")
    labels = selector.strings("matchLabels")
    selector.done()
    name = subject.text("name", "")
    subject.text("namespace", "")
    subject.done(("selector",))
    sink = read_destination(spec.below("sink"), named.namespace)
    extensions = _extensions(spec.below("ceOverrides"))
    spec.done(("subject", "sink"))
    overlay.bindings.append(SinkBinding(named.namespace, named.name, kind, name, labels, sink, extensions))


def _extensions(fields: Fields) -> dict[str, str]:
    found = fields.strings("extensions")
    for name in found:
        if not re.fullmatch(r"[a-z0-9]+", name):
            raise fields.refuse("extensions", "names of [a-z0-9] only")
    fields.done()
    return found


def _check_references(overlay: Overlay) -> None:
    known = {("Service", s.namespace, s.name) for s in overlay.services}
    known |= {("Broker", b.namespace, b.name) for b in overlay.brokers}
    wanted = [
        (f"Trigger {t.name}", d) for t in overlay.triggers for d in (t.subscriber, _sink(t.delivery)) if d
    ]
    wanted += [(f"Broker {b.name}", d) for b in overlay.brokers for d in (_sink(b.delivery),) if d]
    wanted += [(f"PingSource {p.name}", p.sink) for p in overlay.pings]
    wanted += [(f"SinkBinding {b.name}", b.sink) for b in overlay.bindings]
    wanted += [(f"Trigger {t.name}", Destination("Broker", t.namespace, t.broker)) for t in overlay.triggers]
    for who, to in wanted:
        if to.kind and (to.kind, to.namespace, to.name) not in known:
            raise LocalError(
                f"{who} names {to.kind} {to.namespace}/{to.name}, which the overlay does not hold"
            )


def _sink(delivery: Delivery | None) -> Destination | None:
    return delivery.dead_letter_sink if delivery else None


_READERS = {
    ("v1", "ConfigMap"): _read_config_map,
    ("v1", "Secret"): _read_secret,
    ("serving.knative.dev/v1", "Service"): _read_service,
    ("batch/v1", "Job"): _read_job,
    ("eventing.knative.dev/v1", "Broker"): _read_broker,
    ("eventing.knative.dev/v1", "Trigger"): _read_trigger,
    ("sources.knative.dev/v1", "PingSource"): _read_ping,
    ("sources.knative.dev/v1", "SinkBinding"): _read_binding,
}
