"""PagerDuty's Events API v2: answers as PagerDuty does, folds events of one dedup_key into one alert.

Fields, limits and answers: PagerDuty developer documentation, "Send an alert event". The routing key is not kept.
"""

from __future__ import annotations

import json
import re
from typing import Any

from knative.local.inbox._messages import Incoming, Message, Receipt

KIND = "pagerduty"
LABEL = "PagerDuty"
ROUTES = ("/v2/enqueue",)
LARGEST = 512_000
_ACTIONS = {"trigger": "Triggered", "acknowledge": "Acknowledged", "resolve": "Resolved"}
_SEVERITIES = frozenset({"critical", "error", "warning", "info"})
_KEY = re.compile(r"[A-Za-z0-9]{32}")


def receive(request: Incoming) -> Receipt:
    """202 with the dedup_key; 400 that names what is wrong."""
    try:
        event = json.loads(request.body)
    except ValueError:
        return _refused("Unable to process the request: the body is no JSON")
    if len(request.body) > LARGEST or not isinstance(event, dict):
        return _refused("Event object is too large or no object")
    problems = list(_problems(event))
    if problems:
        return _refused(*problems)
    key = str(event["dedup_key"])
    body = json.dumps({"status": "success", "message": "Event processed", "dedup_key": key}).encode()
    kept = {name: value for name, value in event.items() if name != "routing_key"}
    title = f"{_ACTIONS[event['event_action']]}: {(event.get('payload') or {}).get('summary') or key}"
    return Receipt(202, body, {"content-type": "application/json"}, kept, title, key)


def _problems(event: dict[str, Any]) -> list[str]:
    found = []
    if not _KEY.fullmatch(str(event.get("routing_key") or "")):
        found.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if event.get("event_action") not in _ACTIONS:
        found.append(
            "'event_action' is invalid (must be one of the following: trigger, acknowledge, resolve)"
        )
    if not 0 < len(str(event.get("dedup_key") or "")) <= 255:
        found.append("Length of 'dedup_key' is incorrect (should be at most 255 characters)")
    payload = event.get("payload")
    if event.get("event_action") == "trigger":
        if not isinstance(payload, dict):
            return [*found, "'payload' is missing or blank"]
        found += [
            f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)
        ]
        if payload.get("severity") not in _SEVERITIES:
            found.append(
                "'payload.severity' is invalid (must be one of the following: critical, warning, error or info)"
            )
        if len(str(payload.get("summary") or "")) > 1024:
            found.append("Length of 'payload.summary' is incorrect (should be at most 1024 characters)")
    return found


def _refused(*errors: str) -> Receipt:
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
    return Receipt(400, json.dumps(body).encode(), {"content-type": "application/json"})


def view(message: Message) -> dict[str, Any]:
    """The alert as PagerDuty shows it: what it is now, its title, its details, its links."""
    event = message.content
    payload = event.get("payload") or {}
    details = payload.get("custom_details")
    links = [link for link in event.get("links") or [] if isinstance(link, dict)]
    return {
        "status": _ACTIONS[event["event_action"]],
        "action": event["event_action"],
        "key": event["dedup_key"],
        "summary": str(payload.get("summary") or ""),
        "severity": str(payload.get("severity") or ""),
        "fields": [
            (name, str(payload[name]))
            for name in ("source", "component", "group", "class")
            if payload.get(name)
        ],
        "details": [(str(k), _text(v)) for k, v in (details if isinstance(details, dict) else {}).items()],
        "links": [
            (str(link.get("text") or link["href"]), str(link["href"]))
            for link in links
            if str(link.get("href") or "").startswith(("http://", "https://"))
        ],
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
