"""PagerDuty's Events API v2: one event per alert, so that each is an incident's alert of its own there.

Limits and answers: PagerDuty developer documentation, "Send an alert event" (api-reference of Events API v2) and the
"PD-CEF" field limits. Repeating is safe: PagerDuty folds events of one dedup_key.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, SecretStr

from shared.channels._chart import to_draw
from shared.channels._classify import classify as by_status
from shared.channels._classify import json_object
from shared.channels._kind import ChannelSettings, Misconfigured, Reply, Request, needed
from shared.channels._message import Item, Message, build
from shared.channels._text import clean, cut, iso
from shared.model import AlertFacts, Channel, EventKind, Millis, Outcome, RejectionScope, Severity

HUMAN = False
IDEMPOTENT = True
TOLD_ACKS = True
ON_BY_DEFAULT = False
SECRETS = ("routing_key",)
HOSTS = ("events.pagerduty.com", "events.eu.pagerduty.com")
SPACING_MS = 0
MAX_BYTES = 512_000
"""One event may have 512 KB; what is sent stays far below, because every text in it has a limit."""
EDIT_METHOD = ""

_BUSY = 120.0
"""PagerDuty asks for a pause of "a few minutes" after a 429, and sends no Retry-After."""
_SUMMARY, _KEY, _TEXT = 1024, 255, 255
_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
_SEVERITIES: Mapping[Severity, str] = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}
_ACTIONS: Mapping[EventKind, str] = {
    EventKind.RESOLVED: "resolve",
    EventKind.ACKNOWLEDGED: "acknowledge",
}
_USUAL = (EventKind.FIRING, EventKind.RESOLVED)


class Settings(ChannelSettings):
    """The integration's key is the secret `routing_key`. `base_url`: the EU's service region has its own.

    `charts`: PagerDuty's readers can fetch pictures from Tocsin's public address.
    """

    charts: bool = False
    base_url: str = Field(
        "https://events.pagerduty.com",
        pattern=r"^https?://[^/\s]+$",
        description="https:// and a host, without a path",
    )


def recipients(settings: Settings) -> tuple[str, ...]:
    """An integration of one PagerDuty service."""
    return ("",)


def render(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """An event for each alert, or one for the rule when nothing is said of single alerts."""
    shown = message if settings.charts else replace(message, chart_url="")
    return _request(shown, channel, bare=False)


def plain(message: Message, channel: Channel, settings: Settings, recipient: str) -> Request:
    """The same events with nothing but what PagerDuty demands."""
    return _request(message, channel, bare=True)


def address(
    request: Request, settings: Settings, secrets: Mapping[str, SecretStr], now: Millis
) -> tuple[str, Mapping[str, str]]:
    """The endpoint for events; the routing key belongs into the body."""
    if not _ROUTING_KEY.fullmatch(needed(secrets, "routing_key")):
        raise Misconfigured(
            "its secret 'routing_key' is not that of an Events API v2 integration: 32 letters and digits"
        )
    return f"{settings.base_url}/v2/enqueue", request.headers


def classify(reply: Reply) -> Outcome:
    """202 with the dedup_key: PagerDuty has it, and will say nothing further. 400 names what is wrong."""
    outcome = by_status(reply)
    said = json_object(reply.text)
    if outcome.kind in ("delivered", "accepted"):
        key = said.get("dedup_key")
        return Outcome(
            "delivered", status=reply.status, provider_id=key[:255] if isinstance(key, str) else ""
        )
    if reply.status == 429 and "retry-after" not in reply.headers:
        return replace(outcome, retry_after=_BUSY)
    if outcome.kind != "rejected" or not said:
        return outcome
    errors = said.get("errors")
    listed = [str(one) for one in errors] if isinstance(errors, list) else []
    words = "; ".join([str(said.get("message") or "nothing"), *listed])[:250]
    scope: RejectionScope = outcome.scope
    reason = f"PagerDuty says: {words}"
    if "routing_key" in words or "routing key" in words.lower():
        scope, reason = "channel", f"{reason}; correct the secret 'routing_key'"
    return Outcome("rejected", reason, scope, None, reply.status, "", "", outcome.excerpt)


def dedup_key(message: Message, alert: AlertFacts | None) -> str:
    """The same for every event about one series of a rule, so that they are one alert at PagerDuty.

    A test has one of its own: it must not touch an incident.
    """
    told = message.telling.facts
    parts = [told.rule.id, *([alert.series_id or alert.id] if alert else [])]
    if message.event is EventKind.TEST:
        parts = ["test", message.id]
    return "/".join([told.tenant, *parts])[:_KEY]


def _request(message: Message, channel: Channel, *, bare: bool) -> Request:
    """The calls of each series are a chain, as they have one key: its last event is what PagerDuty goes by."""
    of_series: dict[str, list[Request]] = {}
    for item in sorted(message.telling.items, key=lambda item: item.alert.started_at or 0):
        one = _alone(message, item, channel)
        of_series.setdefault(dedup_key(one, item.alert), []).extend(_calls(one, item, bare=bare))
    alone = [_call(message, message.event, dedup_key(message, None), bare=bare)]
    first, *others = [_chain(calls) for calls in of_series.values()] or alone
    return replace(first, also=tuple(others))


def _alone(message: Message, item: Item, channel: Channel) -> Message:
    """What the message says of one alert."""
    event = message.event if message.event is EventKind.TEST else item.alert.event
    one = replace(message.telling, items=(item,), more=0, event=event, severity=item.alert.severity)
    link = "" if event in _ACTIONS or item.alert.resolved_at is not None else message.ack_url
    chart = message.chart_url if to_draw(one) else ""
    made = build(one, id=message.id, zone=channel.timezone, ack_url=link, chart_url=chart)
    return replace(made, notes=message.notes)


def _calls(one: Message, item: Item, *, bare: bool) -> list[Request]:
    """The event of one alert. What began and ended unheard is triggered before it is resolved, to leave a trace."""
    key = dedup_key(one, item.alert)
    before = [EventKind.FIRING] if item.missed else []
    return [_call(one, event, key, bare=bare) for event in (*before, one.event)]


def _chain(calls: Sequence[Request]) -> Request:
    """Each call comes after the one before it."""
    after: Request | None = None
    for call in reversed(calls):
        after = replace(call, then=after)
    assert after is not None
    return after


def _call(one: Message, event: EventKind, key: str, *, bare: bool) -> Request:
    test = event is EventKind.TEST
    payload: dict[str, Any] = {
        "summary": _summary(one),
        "source": _source(one),
        "severity": _SEVERITIES[Severity.INFO if test else one.telling.severity],
    }
    document: dict[str, Any] = {
        "event_action": _ACTIONS.get(event, "trigger"),
        "dedup_key": key,
        "client": "Tocsin",
        "payload": payload if bare else {**payload, **_context(one)},
    }
    named = (("Acknowledge in Tocsin", one.ack_url), ("Runbook", one.runbook))
    if links := [{"href": url, "text": text} for text, url in named if url]:
        document["links"] = links
    if not bare and one.chart_url.startswith("https://"):  # PagerDuty shows no others
        document["images"] = [{"src": one.chart_url, "alt": "Chart of the last values"}]
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    headers = {"content-type": "application/json"}
    return Request(one.id, text.encode("utf-8", "replace"), headers, fill=SECRETS)


def _summary(one: Message) -> str:
    """The incident's title. PagerDuty shows its state and its times itself, so only what is unusual is named."""
    facts = dict(one.facts)
    parts = [facts[name] for name in ("Where", "Value", "Reason") if facts.get(name)]
    word = "" if one.event in _USUAL else f"{one.word} "
    return cut(
        ": ".join(part for part in (word + one.title, ", ".join(parts) or one.summary) if part), _SUMMARY
    )


def _source(one: Message) -> str:
    """What is affected; PagerDuty demands it."""
    alert = one.telling.items[0].alert if one.telling.items else None
    told = one.telling.facts
    found = clean(alert.series if alert else "") or clean(told.monitor.name) or told.rule.id
    return cut(found, _TEXT) or "Tocsin"


def _context(one: Message) -> dict[str, Any]:
    told = one.telling.facts
    named = {
        "timestamp": iso(one.at),
        "component": cut(clean(told.monitor.name), _TEXT),
        "group": cut(clean(told.monitor.measurement), _TEXT),
        "class": cut(clean(str(told.rule.condition.get("type") or "")), _TEXT),
    }
    return {**{name: text for name, text in named.items() if text}, "custom_details": _details(one)}


def _details(one: Message) -> dict[str, Any]:
    """What responders read, in words, and what programs need, under names of their own."""
    told = one.telling.facts
    details: dict[str, Any] = {name: text for name, text in one.facts if text}
    if one.description:
        details["Description"] = one.description
    if one.notes:
        details["Notes"] = list(one.notes)
    details |= {"type": f"alert.{one.event.value}", "event_id": told.id, "rule_id": told.rule.id}
    for item in one.telling.items[:1]:
        alert = item.alert
        times = {"started_at": alert.started_at, "resolved_at": alert.resolved_at}
        details |= {"alert_id": alert.id, **{name: iso(at) for name, at in times.items() if at}}
    return details
