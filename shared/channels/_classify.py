"""What a vendor's reply means, shared by every kind: a closed set of outcomes. Pure.

A kind adds what its vendor does differently: the status that proves delivery, the words of its errors, the unit of
its Retry-After.
"""

import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from shared.channels._kind import Reply
from shared.model import Millis, Outcome, RejectionScope

TRANSIENT = frozenset({408, 425, 429})
LONGEST_RETRY_AFTER = 3600.0
EXCERPT_BYTES = 1024

_CHANNEL = frozenset({401, 403, 404, 405, 407, 410})


def classify(reply: Reply, scopes: Mapping[int, RejectionScope] | None = None) -> Outcome:
    """The outcome by status: 2xx delivered (202 accepted), 408/425/429/5xx retry, everything else rejected.

    Redirects and 401/403/404/405/410 blame the channel, other 4xx the payload, unless `scopes` says otherwise.
    """
    status = reply.status
    if 200 <= status < 300:
        return Outcome("accepted" if status == 202 else "delivered", status=status)
    words = excerpt(reply.text)
    if status in TRANSIENT or status >= 500:
        return Outcome(
            "retry",
            f"HTTP {status}",
            retry_after=retry_after(reply.headers.get("retry-after", ""), reply.at),
            status=status,
            excerpt=words,
        )
    if status < 400:
        return Outcome("rejected", f"HTTP {status}: a redirect is never followed", "channel", status=status)
    fallback: RejectionScope = "channel" if status in _CHANNEL else "payload"
    return Outcome(
        "rejected", f"HTTP {status}", (scopes or {}).get(status, fallback), status=status, excerpt=words
    )


def retry_after(text: str, now: Millis) -> float | None:
    """Seconds to wait from `Retry-After` as seconds or as an HTTP date; None when it says nothing usable."""
    text = text.strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now / 1000
    return bounded(seconds)


def bounded(seconds: float) -> float | None:
    """A wait between 0 and one hour, also of a whole number that is too large for a float; None for what is none."""
    if seconds != seconds:
        return None
    return float(min(max(seconds, 0), LONGEST_RETRY_AFTER))


def excerpt(text: str) -> str:
    """At most 1 KiB of printable text for the delivery's row."""
    kept = "".join(char if not unicodedata.category(char).startswith("C") else " " for char in text[:4096])
    return " ".join(kept.split()).encode()[:EXCERPT_BYTES].decode("utf-8", "ignore")


def json_object(text: str) -> dict[str, Any]:
    """The JSON object in a reply; empty when there is none, or one that is nested beyond all reason."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
