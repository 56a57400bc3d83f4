"""CloudEvents: types, attributes, (de)serialisation and signature. The only place where event names are spelled.

Everything here is pure. An event's data bytes are made once, stored, and sent unchanged every time; only the
routing attributes `to<kind>` are added at publishing, from what is still open.
"""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cloudevents.conversion import to_binary
from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent, from_http

from shared.model import EventKind, Millis, Notification

TYPE_PREFIX = "dev.tocsin.alert."
SOURCE = "/tocsin/evaluate"
TICK_TYPE = "dev.knative.sources.ping"
ROUTE_PREFIX = "to"
SIGNATURE = "tocsinsig"
TRACE_CONTEXT = ("traceparent", "tracestate")
MAX_DATA_BYTES = 64 * 1024
"""Every broker takes this much: Kafka's shipped producer stops at 1 MiB and Knative's own docs advise 64 KiB."""

_EVENT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://tocsin.dev/events")
_KNATIVE_ADDED = ("knative",)


class InvalidEvent(ValueError):
    """A request that is no CloudEvent, or an event that lacks what its type promises."""


class BadSignature(InvalidEvent):
    """The event was not made by this Tocsin, or was changed on the way."""


@dataclass(frozen=True)
class Event:
    """One CloudEvent: string attributes (extensions included) and the raw data bytes."""

    attributes: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Unique with `source`."""
        return self.attributes["id"]

    @property
    def type(self) -> str:
        """The event type, such as `dev.tocsin.alert.firing`."""
        return self.attributes["type"]

    @property
    def subject(self) -> str:
        """The rule's id in Tocsin's own events; empty in ticks."""
        return self.attributes.get("subject", "")

    def json(self) -> dict[str, object]:
        """The data as a JSON object."""
        try:
            data = json.loads(self.body or b"{}")
        except ValueError as error:
            raise InvalidEvent(f"the data of event {self.id} is not JSON: {error}") from None
        if not isinstance(data, dict):
            raise InvalidEvent(f"the data of event {self.id} is not a JSON object")
        return data

    def without_knative(self) -> "Event":
        """The event as it was sent, without what the broker added: fit to be sent again."""
        kept = {name: text for name, text in self.attributes.items() if not name.startswith(_KNATIVE_ADDED)}
        return replace(self, attributes=kept)


def event_id(tenant: str, rule_id: str, seq: int) -> str:
    """The id of a rule's `seq`-th notification: the same however often it is computed."""
    return str(uuid.uuid5(_EVENT_NAMESPACE, f"{tenant}\n{rule_id}\n{seq}"))


def event_type(kind: EventKind) -> str:
    """The CloudEvent type of a kind of notification."""
    return TYPE_PREFIX + kind.value


def route(channel_kind: str) -> str:
    """The extension attribute that wakes the function of a channel kind."""
    return ROUTE_PREFIX + channel_kind


def notification_event(notification: Notification, *, at: Millis) -> Event:
    """The event of a notification, unsigned and without routes. `at` becomes the event's time."""
    attributes = {
        "specversion": "1.0",
        "id": notification.id,
        "type": event_type(notification.event),
        "source": SOURCE,
        "subject": notification.rule.id,
        "time": datetime.fromtimestamp(at / 1000, UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "severity": notification.severity.word,
        "ruleid": notification.rule.id,
        "tenant": notification.tenant,
        "partitionkey": notification.rule.id,
        "sequence": f"{notification.seq:012d}",
    }
    return Event(attributes, _fitting_body(notification))


def _fitting_body(notification: Notification) -> bytes:
    """The data as JSON bytes; chart points go first, then the last alerts, until it fits into MAX_DATA_BYTES."""
    body = notification.model_dump_json().encode()
    if len(body) <= MAX_DATA_BYTES:
        return body
    bare = notification.model_copy(
        update={"alerts": tuple(alert.model_copy(update={"points": ()}) for alert in notification.alerts)}
    )
    body = bare.model_dump_json().encode()
    while len(body) > MAX_DATA_BYTES and bare.alerts:
        bare = bare.model_copy(update={"alerts": bare.alerts[: len(bare.alerts) // 2]})
        body = bare.model_dump_json().encode()
    return body


def traced(event: Event, carrier: Mapping[str, str]) -> Event:
    """The event with the W3C trace context of who made it (CloudEvents' extension for distributed tracing), if any.

    It is stored with the event, so that a delivery much later still belongs to the same trace. Not signed: it decides
    nothing.
    """
    given = {name: carrier[name] for name in TRACE_CONTEXT if carrier.get(name)}
    return replace(event, attributes={**event.attributes, **given}) if given else event


def routed(event: Event, kinds: Iterable[str]) -> Event:
    """The event with a `to<kind>` attribute for each channel kind that still has work, and no other routes."""
    kept = {name: text for name, text in event.attributes.items() if not _is_route(name, text)}
    return replace(event, attributes={**kept, **{route(kind): "true" for kind in sorted(kinds)}})


def _is_route(name: str, text: str) -> bool:
    return name.startswith(ROUTE_PREFIX) and text == "true"


def notification_of(event: Event) -> Notification:
    """The notification inside an event."""
    if not event.type.startswith(TYPE_PREFIX):
        raise InvalidEvent(f"event {event.id} has type {event.type}; expected {TYPE_PREFIX}*")
    try:
        return Notification.model_validate_json(event.body)
    except ValueError as error:
        raise InvalidEvent(f"the data of event {event.id} is no notification: {error}") from None


def to_http(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of the event in binary mode."""
    attributes = dict(event.attributes)
    headers, body = to_binary(CloudEvent(attributes, event.body), data_marshaller=lambda data: data)
    return dict(headers), body


def of_http(headers: Mapping[str, str], body: bytes) -> Event:
    """The event in a request, in binary or structured mode; the data stays as it came."""
    try:
        parsed = from_http(
            {k.lower(): v for k, v in headers.items()}, body, data_unmarshaller=lambda data: data
        )
    except (GenericException, ValueError, KeyError, TypeError) as error:
        raise InvalidEvent(f"the request is no CloudEvent: {error}") from None
    data = parsed.get_data()
    raw = data if isinstance(data, bytes) else b"" if data is None else json.dumps(data).encode()
    return Event({name: str(text) for name, text in parsed.get_attributes().items() if text is not None}, raw)


def sign(event: Event, keys: Mapping[str, bytes]) -> Event:
    """The event with its signature by the first key; unchanged when there is no key."""
    for key_id, key in keys.items():
        return replace(
            event, attributes={**event.attributes, SIGNATURE: f"v1,{key_id},{_digest(event, key)}"}
        )
    return event


def verify(event: Event, keys: Mapping[str, bytes]) -> None:
    """Raise BadSignature unless one of the keys signed the event; with no keys everything passes."""
    if not keys:
        return
    parts = event.attributes.get(SIGNATURE, "").split(",", 2)
    if len(parts) != 3 or parts[0] != "v1" or parts[1] not in keys:
        raise BadSignature(f"event {event.id} carries no signature by a known key")
    if not hmac.compare_digest(parts[2].encode(), _digest(event, keys[parts[1]]).encode()):
        raise BadSignature(f"event {event.id} carries a wrong signature")


def _digest(event: Event, key: bytes) -> str:
    mac = hmac.new(key, digestmod=hashlib.sha256)
    texts = [event.attributes.get(name, "").encode() for name in ("id", "type", "source", "subject")]
    for part in [*texts, event.body]:
        mac.update(len(part).to_bytes(8, "big"))
        mac.update(part)
    return base64.b64encode(mac.digest()).decode()


def parse_keys(text: str) -> dict[str, bytes]:
    """Signing keys from `id:base64[,id:base64]`; the first one signs, all of them verify."""
    keys: dict[str, bytes] = {}
    pairs = filter(None, (part.strip() for part in text.split(",")))
    for number, pair in enumerate(pairs, start=1):
        key_id, colon, secret = pair.partition(":")
        if not colon or not key_id:  # what stands there may be the key itself, so it isn't repeated
            raise ValueError(f"key number {number} has no id; expected id:base64")
        try:
            keys[key_id] = base64.b64decode(secret, validate=True)
        except ValueError:
            raise ValueError(f"key {key_id!r} is not valid base64; expected id:base64") from None
        if len(keys[key_id]) < 16:
            raise ValueError(f"key {key_id!r} is shorter than 16 bytes")
    return keys


@dataclass(frozen=True)
class Tick:
    """One evaluation of all rules of one shard: `slot` is the event's time rounded down to the interval."""

    slot: Millis
    interval_seconds: int
    shard: int = 0
    of: int = 1


def tick_of(event: Event) -> Tick:
    """The tick that a PingSource event asks for. Its time, not its id, names the slot: ids are random."""
    data = event.json()
    try:
        interval = int(str(data.get("interval_seconds", 30)))
        shard, of = int(str(data.get("shard", 0))), int(str(data.get("of", 1)))
        at = datetime.fromisoformat(event.attributes["time"])
    except (KeyError, ValueError) as error:
        raise InvalidEvent(f"tick event {event.id} can't be read: {error}") from None
    if interval < 1 or not 0 <= shard < of:
        raise InvalidEvent(
            f"tick event {event.id}: interval {interval} s, shard {shard} of {of} make no sense"
        )
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    step = interval * 1000
    return Tick(int(at.timestamp() * 1000) // step * step, interval, shard, of)
