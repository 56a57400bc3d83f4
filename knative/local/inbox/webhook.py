"""Any webhook: takes every body, shows JSON indented, with its Standard Webhooks headers.

Header names: standardwebhooks.com (webhook-id, webhook-timestamp, webhook-signature).
"""

from __future__ import annotations

import json
from typing import Any

from knative.local.inbox._messages import Incoming, Message, Receipt

KIND = "webhook"
LABEL = "Webhook"
ROUTES = ("/webhook/{name}",)
SHOWN = ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "user-agent")


def receive(request: Incoming) -> Receipt:
    """200 with an empty body."""
    text = request.body.decode("utf-8", "replace")
    try:
        content = json.loads(text)
    except ValueError:
        content = text
    title = str(content.get("type") or "(no type)") if isinstance(content, dict) else text[:80] or "(empty)"
    return Receipt(200, content=content, title=title)


def view(message: Message) -> dict[str, Any]:
    """The body, indented when it is JSON, and the headers that a receiver checks."""
    content = message.content
    body = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)
    return {"body": body, "shown": {name: message.headers[name] for name in SHOWN if name in message.headers}}
