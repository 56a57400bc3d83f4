"""The page that people look at: rendered here, whole without JavaScript, nothing in it trusted.

Jinja escapes every value; the two policies make sure that a slip would still run nothing and fetch nothing.
Must not know any vendor beyond its template's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import jinja2
from markupsafe import Markup

from knative.local.inbox._messages import Message, Vendor

_COMMON = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_LOOPBACK_IMAGES = "img-src data: http://127.0.0.1:* http://localhost:*"
PAGE_POLICY = _COMMON | {
    "Content-Security-Policy": (
        f"default-src 'none'; {_LOOPBACK_IMAGES}; style-src 'self' 'unsafe-inline'; script-src 'self'; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
"""Headers of the page: its own script and style only."""
PART_POLICY = _COMMON | {
    "Content-Security-Policy": f"sandbox; default-src 'none'; {_LOOPBACK_IMAGES}; style-src 'unsafe-inline'"
}
"""Headers of an e-mail's HTML part, which is served as it came: no script, no form, no foreign image."""


class Page:
    """Renders messages with the template of their vendor."""

    def __init__(self, vendors: Mapping[str, Vendor]) -> None:
        loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
        self._jinja = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        self._vendors = vendors

    def render(self, messages: Sequence[Message], kind: str, total: int, now: int) -> str:
        """The whole page; newest message first, `now` in epoch milliseconds UTC."""
        cards = [
            {
                "message": message,
                "label": self._vendors[message.vendor].LABEL,
                "at": datetime.fromtimestamp(message.received_at / 1000, UTC).strftime("%H:%M:%S UTC"),
                "ago": ago(now - message.received_at),
                "body": self._card(message),
            }
            for message in messages
        ]
        vendors = sorted(self._vendors.values(), key=lambda vendor: vendor.LABEL.casefold())
        kinds = {vendor.KIND: vendor.LABEL for vendor in vendors}
        return self._jinja.get_template("page.html").render(cards=cards, kind=kind, kinds=kinds, total=total)

    def _card(self, message: Message) -> Markup:
        view = self._vendors[message.vendor].view(message)
        # A rendered template is safe to place: every value in it was escaped on the way.
        return Markup(self._jinja.get_template(f"{message.vendor}.html").render(message=message, **view))


def ago(milliseconds: int) -> str:
    """A duration up to now, in words."""
    seconds = max(milliseconds // 1000, 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
