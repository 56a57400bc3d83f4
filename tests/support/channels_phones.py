"""What Twilio, ntfy, Pushover and PagerDuty would refuse of a payload, and what of hostile text they would act on.

Limits are written down a second time here, from the vendors' documentation.
"""

import json
from typing import Any


def units(value: str) -> int:
    """UTF-16 units: the most cautious way to count where a vendor doesn't say."""
    return len(value.encode("utf-16-le")) // 2


def sms(payload: dict[str, Any]) -> list[str]:
    text = payload["Body"]
    missing = [name for name in ("To", "ValidityPeriod") if not payload.get(name)]
    if ("From" in payload) == ("MessagingServiceSid" in payload):
        missing.append("one sender")
    limit = 2 * 153 if set(text) <= GSM_7 else 2 * 67
    cost = sum(2 if char in GSM_7_TWICE else 1 for char in text) if limit > 200 else units(text)
    return missing + ["body"] * (not text.strip()) + ["more than two segments"] * (cost > limit)


GSM_7_TWICE = frozenset("^{}\\[~]|€")
GSM_7 = GSM_7_TWICE | frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""3GPP TS 23.038, the basic alphabet and its extension."""


def push(payload: dict[str, Any]) -> list[str]:
    return _pushover(payload) if "timestamp" in payload else _ntfy(payload)


def _pushover(payload: dict[str, Any]) -> list[str]:
    limits = {"message": 1024, "title": 250, "url": 512, "url_title": 100}
    found = [
        name for name, limit in limits.items() if units(payload.get(name, "x")) not in range(1, limit + 1)
    ]
    emergency = payload["priority"] == "2"
    found += ["priority"] * (payload["priority"] not in ("-2", "-1", "0", "1", "2"))
    if emergency and not (int(payload["retry"]) >= 30 and int(payload["expire"]) <= 10_800):
        found.append("retry or expire")
    return found + ["keys"] * bool({"token", "user"} & set(payload))


def _ntfy(payload: dict[str, Any]) -> list[str]:
    found = ["message"] * (len(payload["message"].encode()) not in range(1, 4097))
    found += ["title"] * (len(payload.get("title", "x").encode()) not in range(1, 251))
    found += ["priority"] * (payload.get("priority", 3) not in range(1, 6))
    return found + ["click"] * (not payload.get("click", "http").startswith("http"))


def pagerduty(payload: dict[str, Any]) -> list[str]:
    found = ["action"] * (payload["event_action"] not in ("trigger", "acknowledge", "resolve"))
    found += ["dedup_key"] * (len(payload["dedup_key"]) not in range(1, 256))
    facts = payload["payload"]
    found += ["severity"] * (facts["severity"] not in ("critical", "error", "warning", "info"))
    found += ["summary"] * (units(facts["summary"]) not in range(1, 1025)) + ["source"] * (
        not facts["source"]
    )
    found += [link["href"] for link in payload.get("links", []) if not link["href"].startswith("http")]
    return found + ["512 KB"] * (len(json.dumps(payload, ensure_ascii=False).encode()) > 512_000)


def live_sms(payload: dict[str, Any]) -> list[str]:
    """Letters that cost more, and lines that are none of ours: nothing else is live in a text."""
    body = payload["Body"]
    return sorted(set(body) - GSM_7) + ["carriage return"] * ("\r" in body) + ["Bcc"] * ("\nBcc" in body)


def live_push(payload: dict[str, Any]) -> list[str]:
    """A tap or a button opens our links alone and calls nothing; nothing is read as HTML or markdown."""
    actions = payload.get("actions", [])
    links = {payload[name] for name in ("click", "url") if name in payload} | {one["url"] for one in actions}
    called = [one for one in actions if one["action"] != "view"]
    return [
        *(links - {"https://wiki.example/demo"}),
        *called,
        *({"html", "markdown", "attach"} & set(payload)),
    ]


def live_pagerduty(payload: dict[str, Any]) -> list[str]:
    return [one["href"] for one in payload.get("links", []) if one["href"] != "https://wiki.example/demo"]
