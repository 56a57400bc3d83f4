"""The eventing objects of an overlay as typed views, and how destinations and delivery are read.

Must not start or connect anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from knative.local.errors import ManifestError
from knative.local.fields import Fields

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


@dataclass(frozen=True)
class Destination:
    """Where events go: a Service or Broker of the overlay, a path or URI, or the path below the reference."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uri: str = ""


@dataclass(frozen=True)
class Delivery:
    """How one attempt chain behaves: `retry` extra attempts, waits and `timeout` in seconds (0 = none)."""

    retry: int = 0
    backoff_policy: str = ""
    backoff_delay: float = 0.0
    timeout: float = 0.0
    dead_letter_sink: Destination | None = None

    def wait_before(self, retry: int) -> float:
        """Seconds before retry number `retry`, counted from 0 (kncloudevents/retries.go).

        Linear waits delay x n, so its first retry comes at once.
        """
        if self.backoff_policy == "exponential":
            return float(self.backoff_delay * 2**retry)
        return self.backoff_delay * retry


INSTALL_DEFAULT = Delivery(retry=10, backoff_policy="exponential", backoff_delay=0.2)
"""What config-br-defaults gives a Broker that sets no delivery."""


@dataclass(frozen=True)
class Broker:
    namespace: str
    name: str
    answers_at_once: bool
    delivery: Delivery


@dataclass(frozen=True)
class Trigger:
    namespace: str
    name: str
    broker: str
    attributes: dict[str, str]
    subscriber: Destination
    delivery: Delivery | None


@dataclass(frozen=True)
class PingSource:
    namespace: str
    name: str
    schedule: str
    timezone: str
    content_type: str
    data: str
    data_base64: str
    sink: Destination
    extensions: dict[str, str]


@dataclass(frozen=True)
class SinkBinding:
    namespace: str
    name: str
    subject_kind: str
    subject_name: str
    subject_labels: dict[str, str]
    sink: Destination
    extensions: dict[str, str]


def read_destination(fields: Fields, namespace: str) -> Destination:
    """A `ref` to a Service or Broker of the overlay, a `uri`, or both (the uri is then relative to it)."""
    uri = fields.text("uri", "")
    if not fields.has("ref"):
        if not uri:
            raise ManifestError(fields.file, fields.path, None, "ref or uri")
        fields.done()
        return Destination(uri=uri)
    ref = fields.below("ref")
    kind, version = ref.text("kind"), ref.text("apiVersion")
    versions = {"Service": "serving.knative.dev/v1", "Broker": "eventing.knative.dev/v1"}
    if versions.get(kind) != version:
        raise ref.refuse("kind", "serving.knative.dev/v1 Service or eventing.knative.dev/v1 Broker")
    found = Destination(kind, ref.text("namespace", namespace), ref.text("name"), uri)
    ref.done()
    fields.done()
    return found


def read_delivery(fields: Fields, namespace: str) -> Delivery:
    """A `delivery` block as it stands: nothing is merged from a parent but, later, the dead letter sink."""
    policies = {"linear": "linear", "exponential": "exponential", "": ""}
    policy = fields.choice("backoffPolicy", policies, "")
    delay = _seconds(fields, "backoffDelay")
    fields.choice("format", {"binary": "binary"}, "binary")
    sink = (
        read_destination(fields.below("deadLetterSink"), namespace) if fields.has("deadLetterSink") else None
    )
    complete = policy and fields.has("backoffDelay")
    found = Delivery(
        fields.number("retry", 0), policy if complete else "", delay, _seconds(fields, "timeout"), sink
    )
    fields.done(("deadLetterSink",))
    return found if complete else Delivery(found.retry, "", 0.0, found.timeout, sink)


def _seconds(fields: Fields, key: str) -> float:
    text = fields.text(key, "")
    match = _DURATION.fullmatch(text)
    if text and (match is None or not any(match.groups())):
        raise fields.refuse(key, "an ISO 8601 duration such as PT0.2S or PT1M")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0,) * 4
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
