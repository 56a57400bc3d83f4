"""What the vendors of every channel kind would refuse, and what a kind needs to render: one entry per kind.

Limits are written down a second time here, from the vendors' documentation, so that a kind can't agree with itself.
"""

import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl

from shared.channels import load_kind
from shared.channels._combine import combine
from shared.channels._kind import Request
from shared.channels._message import Message, build
from shared.model import Channel, Notification
from tests.support import channels_phones as phones
from tests.support.channels_phones import units

SETTINGS: dict[str, tuple[dict[str, Any], ...]] = {
    "email": ({"from": "tocsin@team.example", "to": ["ann@team.example"]},),
    "push": ({}, {"provider": "pushover"}, {"provider": "pushover", "emergency": True}),
    "sms": (
        {"from": "+14155550100", "to": ["+14155550101"]},
        {"messaging_service_sid": "MG" + "0" * 32, "to": ["+14155550101"]},
    ),
    "teams": ({}, {"format": "message_card"}),
    "telegram": ({"chat_ids": [-1001234567890]},),
}
"""Settings that a kind can't do without, and its variants; a kind that is not listed needs none."""
SECRETS: dict[str, dict[str, str]] = {
    "discord": {"url": "https://discord.com/api/webhooks/1234567890123456789/pl4nt3d-secret"},
    "email": {"api_key": "SG.pl4nt3d"},
    "pagerduty": {"routing_key": "pl4nt3d0routing0key0with32chars0"},
    "push": {
        "token": "pl4nt3d0token0that0is030chars0",
        "topic": "pl4nt3d-topic",
        "user": "pl4nt3d0user0key0of030chars000",
    },
    "slack": {"url": "https://hooks.slack.com/services/T0/B0/pl4nt3d"},
    "sms": {
        "account_sid": "AC" + "0" * 32,
        "api_key": "SKpl4nt3d",
        "api_secret": "pl4nt3d-api-secret",
        "auth_token": "pl4nt3d-auth-token",
    },
    "teams": {"url": "https://prod-1.westeurope.logic.azure.com:443/workflows/f/triggers/manual?sig=pl4nt3d"},
    "telegram": {"token": "123456:pl4nt3d-secret-token"},
    "webhook": {
        "url": "https://alerts.example/pl4nt3d",
        "signing_key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    },
}
"""Every secret of every kind."""


def message_of(
    *told: Notification, may_repeat: bool = False, ack_url: str = "", chart_url: str = ""
) -> Message:
    """The message of these notifications, for somebody who knows of all their alerts."""
    telling = combine(told, {item.id for one in told for item in one.alerts})
    assert telling is not None
    return build(
        telling, id="dlv_1", zone="Europe/Berlin", may_repeat=may_repeat, ack_url=ack_url, chart_url=chart_url
    )


def chosen(kind: str, variant: int = 0) -> Any:
    """The settings of a kind."""
    return load_kind(kind).Settings.model_validate(SETTINGS.get(kind, ({},))[variant])


def rendered(kind: str, message: Message) -> list[Request]:
    """The message as the kind renders it, and its plain form, with every variant of its settings."""
    module, found = load_kind(kind), []
    channel = Channel(name="ops", kind=kind)
    for variant in range(len(SETTINGS.get(kind, ({},)))):
        settings = chosen(kind, variant)
        recipient = module.recipients(settings)[0]
        found += calls(module.render(message, channel, settings, recipient))
        if (plain := module.plain(message, channel, settings, recipient)) is not None:
            found += calls(plain)
    return found


def calls(request: Request) -> list[Request]:
    """Everything that is sent for one message."""
    found: list[Request] = []
    step: Request | None
    for step in (request, *request.also):
        while step is not None:
            found.append(step)
            step = step.then
    return found


def payload_of(request: Request) -> dict[str, Any]:
    """The body as the vendor reads it: JSON, a form, or the parts of one without its files."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        fields = dict(
            re.findall(r'name="(\w+)"\r\n\r\n(.*?)\r\n--', request.body.decode("latin-1"), re.DOTALL)
        )
        decoded = {name: text.encode("latin-1").decode() for name, text in fields.items()}
        return dict(json.loads(decoded["payload_json"])) if "payload_json" in decoded else decoded
    if "form" in request.headers.get("content-type", ""):
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True))
    return dict(json.loads(request.body))


def broken_graphemes(text: str) -> list[str]:
    """Cuts that tore something apart: each is right before the ellipsis."""
    return re.findall("[\\u200d\\ud800-\\udfff]…", text)


def _slack(payload: dict[str, Any]) -> list[str]:
    found = []
    blocks = [*payload.get("blocks", []), *(b for a in payload.get("attachments", []) for b in a["blocks"])]
    if not payload["text"].strip() or units(payload["text"]) > 40_000 or len(blocks) > 50:
        found.append("text or blocks")
    for block in blocks:
        if block["type"] == "image":
            found += ["image"] * (len(block["image_url"]) > 3000 or not 0 < len(block["alt_text"]) <= 2000)
            continue
        limit = {"header": 150, "section": 3000, "context": 3000}[block["type"]]
        texts = [block["text"]] if "text" in block else []
        found += [f"{block['type']} {item}" for item in texts if not 0 < units(item["text"]) <= limit]
        fields = [*block.get("fields", []), *block.get("elements", [])]
        found += ["fields"] * (len(fields) > 10)
        found += [f"field {item}" for item in fields if not 0 < units(item["text"]) <= 2000]
    return found


def _email(payload: dict[str, Any]) -> list[str]:
    found = ["subject"] * (
        not 0 < len(payload["subject"]) <= 200 or bool(set(payload["subject"]) & set("\r\n\0"))
    )
    for part in payload["content"]:
        found += [part["type"]] * (not part["value"].strip() or len(part["value"].encode()) >= 102_000)
    return found


def _discord(payload: dict[str, Any]) -> list[str]:
    found = ["mentions"] * (payload["allowed_mentions"] != {"parse": []})
    found += ["content"] * (units(payload.get("content", "x")) not in range(1, 2001))
    found += ["embeds"] * (len(payload.get("embeds", [])) > 10)
    total = 0
    for embed in payload.get("embeds", []):
        fields, footer = embed.get("fields", []), embed.get("footer", {}).get("text", "x")
        texts = [(embed["title"], 256), (embed.get("description", "x"), 4096), (footer, 2048)]
        texts += [(field["name"], 256) for field in fields] + [(field["value"], 1024) for field in fields]
        found += [text for text, limit in texts if not text.strip() or units(text) > limit]
        found += ["fields"] * (len(fields) > 25) + ["colour"] * (embed["color"] not in range(2**24))
        total += sum(units(text) for text, _ in texts)
    return found + ["all embeds"] * (total > 6000)


def _teams(payload: dict[str, Any]) -> list[str]:
    found = ["28 KB"] * (len(json.dumps(payload, ensure_ascii=False).encode()) > 28 * 1024)
    if payload.get("@type") == "MessageCard":
        return found + ["summary"] * (not payload["summary"]) + ["text"] * (not payload["text"])
    assert (payload["type"], len(payload["attachments"])) == ("message", 1)
    card = payload["attachments"][0]["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    items = [one for item in card["body"] for one in (item, *item.get("items", []))]
    found += [
        item["type"] for item in items if item["type"] not in ("TextBlock", "FactSet", "Container", "Image")
    ]
    return found + ["empty text"] * any(item.get("text") == "" for item in items)


class _Tags(HTMLParser):
    """Telegram's HTML: text as it is counted, and tags that don't match."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.open, self.wrong = "", list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.wrong += [tag] * (tag not in ("b", "i", "code", "a"))

    def handle_endtag(self, tag: str) -> None:
        self.wrong += [tag] * (not self.open or self.open.pop() != tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def _telegram(payload: dict[str, Any]) -> list[str]:
    if "parse_mode" not in payload:
        return ["text"] * (units(payload["text"]) not in range(1, 4097))
    tags, text, longest = _Tags(), payload.get("text", ""), 4096
    if "caption" in payload:
        text, longest = payload["caption"], 1024
    tags.feed(text)
    tags.close()
    bare = re.sub(r"&(amp|lt|gt|quot|#x27);", "", re.sub(r"</?(b|i|code|a)( href=\"[^\"<>]*\")?>", "", text))
    found = ["text"] * (units(tags.text) not in range(1, longest + 1)) + tags.wrong + tags.open
    return found + ["an entity or a tag that was cut"] * bool(set(bare) & set("<>&"))


REFUSES: Mapping[str, Callable[[dict[str, Any]], list[str]]] = {
    "discord": _discord,
    "email": _email,
    "pagerduty": phones.pagerduty,
    "push": phones.push,
    "slack": _slack,
    "sms": phones.sms,
    "teams": _teams,
    "telegram": _telegram,
    "webhook": lambda payload: [],
}
"""What a vendor would refuse of a payload; a kind that is not here fails the tests."""


def _unescaped(text: str, escaped: str = r"\\[^0-9A-Za-z\s]") -> str:
    return re.sub(escaped, "", text)


def _texts(value: Any) -> list[str]:
    """Every text in a document."""
    if isinstance(value, str):
        return [value]
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for one in inner for text in _texts(one)]


def shown(kind: str, request: Request) -> str:
    """Every text of a message as people read it, without what escapes it."""
    text = "\n".join(_texts(payload_of(request)))
    return re.sub(r"\\([^0-9A-Za-z\s])", r"\1", text) if kind in ("discord", "teams") else text


def _live_slack(payload: dict[str, Any]) -> list[str]:
    shown = json.dumps(payload, ensure_ascii=False).replace("<https://wiki.example/demo|Runbook>", "")
    parsed = shown.count('"mrkdwn"') - shown.count('"verbatim": true')
    return ["<"] * ("<" in shown) + ["what Slack looks for in plain text"] * (parsed != 0)


def _live_email(payload: dict[str, Any]) -> list[str]:
    html = [part["value"] for part in payload["content"] if part["type"] == "text/html"]
    found = [part for part in html if "<script" in part or "<!channel" in part]
    headers = {"Message-ID", "References", "In-Reply-To", "Auto-Submitted", "List-Unsubscribe"}
    return found + ["headers"] * (set(payload["headers"]) != headers or "\n" in payload["subject"])


def _live_markdown(payload: dict[str, Any]) -> list[str]:
    """Links and mentions that are not ours: all that is left of them once the escapes are taken away."""
    found = []
    for text in _texts(payload):
        left = _unescaped(re.sub(r"\[[\w ]+\]\(https://wiki\.example/demo\)", "", text))
        found += re.findall(r"\]\(|<[@#]\d|`", left)
    return found


def _live_discord(payload: dict[str, Any]) -> list[str]:
    footers = [embed.pop("footer", "") for embed in payload.get("embeds", [])]  # no markdown is read there
    assert footers is not None
    texts = [_unescaped(t.replace("https://wiki.example/demo", "")) for t in _texts(payload)]
    texts = [text for text in texts if text != "attachment://chart.png"]
    return _live_markdown(payload) + [text for text in texts if "@everyone" in text or "://" in text]


def _live_teams(payload: dict[str, Any]) -> list[str]:
    if payload.get("@type") == "MessageCard":
        shown = [payload["title"], payload["text"], *_texts(payload.get("sections", []))]
        return [text for text in shown if "<" in text] + _live_markdown({"shown": shown})
    return _live_markdown({"body": payload["attachments"][0]["content"]["body"]})


def _live_telegram(payload: dict[str, Any]) -> list[str]:
    text = payload.get("caption") or payload["text"]
    found = re.findall(r"@\w+", text)
    if "parse_mode" in payload:
        found += re.findall(r"<(?!/?(?:b|i|code)>|a href=\"https://wiki\.example/demo\">|/a>)", text)
    return found


LIVE: Mapping[str, Callable[[dict[str, Any]], list[str]]] = {
    "discord": _live_discord,
    "email": _live_email,
    "pagerduty": phones.live_pagerduty,
    "push": phones.live_push,
    "slack": _live_slack,
    "sms": phones.live_sms,
    "teams": _live_teams,
    "telegram": _live_telegram,
    "webhook": lambda payload: [],
}
"""What of the hostile text a vendor would act on: mentions, links, markup."""
