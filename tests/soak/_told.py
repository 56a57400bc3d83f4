"""What receivers were told, read from the requests that reached them.

Must not import anything of `shared`, nor look into its tables: it is one half of the oracle.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.soak._input import Series
from tests.support.sink import Reply, Request, Sink

REPEAT = "(may repeat)"
_MOMENT = 0.03
"""Seconds that a receiver takes to answer, so that a sender who is killed is often in the middle of it."""
FIRING, RESOLVED = "firing", "resolved"
_LINE = re.compile(r"(FIRING|RESOLVED|[A-Z][A-Z ]+) `(\S+?)(?:: [^`]*)?` (?:(\d+) alerts)?")
_SINCE = re.compile(r"(?:since|was firing) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_DIGEST = re.compile(r"DIGEST[^\d]*([\d,]+) rules?: ([^.]*)\. ([\d,]+) alerts?;")
_ALONE = re.compile(r"(FIRING|RESOLVED|[A-Z][A-Z ]+)[ ·:–-]+(\S+)")


@dataclass(frozen=True, slots=True)
class Told:
    """One alert in one message to a program. Times are epoch milliseconds, `at` is this process's clock."""

    at: float
    series: Series
    alert: str
    event: str
    fired: int
    resolved: int | None
    message: str
    marked: bool
    """The message says that it may repeat an earlier one."""


@dataclass(frozen=True, slots=True)
class Said:
    """One rule in a message to people: `alerts` of it are told, and when some of them `began`, epoch milliseconds."""

    at: float
    rule: str
    event: str
    alerts: int
    began: frozenset[int]
    marked: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """What a digest, or a message about one rule, counts."""

    at: float
    rules: int
    alerts: int
    marked: bool


class Receivers:
    """A webhook, PagerDuty and two Slack channels on one address. They are always well, and take a moment.

    `ahead` sees the kind and the body of each request: it may act before that is taken (and returns True), or before it
    is answered (False).
    """

    def __init__(self) -> None:
        self.sink = Sink(answer=self._take)
        self.ahead: Callable[[str, str], bool] = lambda kind, body: False
        self._lock = threading.Lock()
        self.webhook: list[Told] = []
        self.pagerduty: list[Told] = []
        self.people: list[Said] = []
        self.crowd: list[Counted] = []
        self.unreadable: list[str] = []

    def _take(self, request: Request) -> Reply:
        at = request.at
        kind = {"/webhook": "webhook", "/v2/enqueue": "pagerduty"}.get(request.path, "slack")
        if self.ahead(kind, request.text):
            return Reply(drop="unanswered")
        with self._lock:
            self.sink.requests.clear()  # what is needed of it is kept here
            try:
                self._read(at, request)
            except (ValueError, KeyError, TypeError, IndexError) as error:
                self.unreadable.append(f"{request.path}: {error!r}: {request.text[:500]}")
        if kind == "slack":
            return Reply(200, body="ok", delay=_MOMENT)
        return Reply(202, body={"status": "success", "dedup_key": "k"}, delay=_MOMENT)

    def _read(self, at: float, request: Request) -> None:
        document = request.json()
        if request.path == "/webhook":
            self.webhook += read_webhook(at, request.headers["webhook-id"], document)
        elif request.path == "/v2/enqueue":
            self.pagerduty.append(read_pagerduty(at, document))
        elif request.path == "/slack/people":
            self.people += read_people(at, document)
        else:
            self.crowd.append(read_crowd(at, document))


def read_webhook(at: float, message: str, document: dict[str, Any]) -> list[Told]:
    """Every alert of one webhook."""
    data = document["data"]
    marked = any(REPEAT in note for note in data["notes"])
    if data["more"]:
        raise ValueError("it leaves alerts out")
    return [
        Told(
            at,
            Series(data["rule"]["id"], alert["series"]),
            alert["id"],
            alert["event"],
            _millis(alert["fired_at"]),
            _millis(alert["resolved_at"]) if alert["resolved_at"] else None,
            message,
            marked,
        )
        for alert in data["alerts"]
    ]


def read_pagerduty(at: float, document: dict[str, Any]) -> Told:
    """One event: of a chain (trigger, then resolve of what was over before it was told) each is an event of its own."""
    details, payload = document["payload"]["custom_details"], document["payload"]
    event = {"trigger": FIRING, "resolve": RESOLVED}[document["event_action"]]
    source = payload["source"]
    return Told(
        at,
        Series(details["rule_id"], source if source.startswith("host=") else ""),
        details["alert_id"],
        event,
        _millis(details["started_at"]),
        _millis(details["resolved_at"]) if "resolved_at" in details else None,
        f"{details['event_id']} {details['alert_id']} {event}",
        REPEAT in json.dumps(details.get("Notes", "")),
    )


def read_people(at: float, document: dict[str, Any]) -> list[Said]:
    """Every rule of a message on a channel so small that no digest leaves one out."""
    whole = json.dumps(document, ensure_ascii=False)
    marked = REPEAT in whole
    if "more alerts" in whole:
        raise ValueError("it leaves rules out")
    lines = [line for text in _texts(document) for line in text.split("\n")]
    if _DIGEST.search(document["text"]):
        found = [(match, _began(line)) for line in lines for match in _LINE.findall(line)]
        if not found:
            raise ValueError("a digest without a line")
        return [
            Said(at, rule, word.lower(), int(count or 1), began, marked)
            for (word, rule, count), began in found
        ]
    alone = _ALONE.search(document["text"])
    if alone is None:
        raise ValueError("neither a digest nor a rule")
    began = frozenset[int]().union(*map(_began, lines))
    return [Said(at, alone[2].rstrip("."), alone[1].lower(), _alerts(document["text"]), began, marked)]


def read_crowd(at: float, document: dict[str, Any]) -> Counted:
    """The counts of a message on a channel that is told of everything."""
    text = document["text"]
    marked = REPEAT in json.dumps(document, ensure_ascii=False)
    digest = _DIGEST.search(text)
    if digest is None:
        return Counted(at, 1, _alerts(text), marked)
    return Counted(at, _number(digest[1]), _number(digest[3]), marked)


def _alerts(text: str) -> int:
    """How many alerts a message about one rule is about."""
    found = re.search(r"(\d+) alerts", text)
    return int(found[1]) if found else 1


def _began(text: str) -> frozenset[int]:
    """The beginnings that a text names. The channels' zone is UTC."""
    return frozenset(_millis(f"{moment}+00:00") for moment in _SINCE.findall(text))


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _texts(part: Any) -> list[str]:
    """Every `text` of a Slack message."""
    if isinstance(part, dict):
        own = [part["text"]] if isinstance(part.get("text"), str) else []
        return own + [text for value in part.values() for text in _texts(value)]
    return [text for value in part for text in _texts(value)] if isinstance(part, list) else []


def _millis(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
