"""What one message says, worded once for every kind: pure, from frozen facts. How it looks is each kind's own.

Values, names and labels come from outside; they are cleaned here and escaped by the kind that shows them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.channels._text import clean, cut, duration, moment, number, span, web_link
from shared.model import AlertFacts, EventKind, Millis, Notification, RuleFacts, Severity

SHOWN_LABELS = 12
WORDS: Mapping[EventKind, tuple[str, str]] = {
    EventKind.FIRING: ("🔴", "FIRING"),
    EventKind.WORSENED: ("🔺", "WORSE"),
    EventKind.RESOLVED: ("🟢", "RESOLVED"),
    EventKind.REMINDER: ("🔁", "STILL FIRING"),
    EventKind.ACKNOWLEDGED: ("👤", "ACKNOWLEDGED"),
    EventKind.FLAPPING: ("🔀", "FLAPPING"),
    EventKind.ESCALATED: ("🚨", "ESCALATED"),
    EventKind.TEST: ("🧪", "[TEST]"),
}
COLOURS: Mapping[Severity, str] = {
    Severity.CRITICAL: "#D63232",
    Severity.HIGH: "#E8590C",
    Severity.WARNING: "#F2A600",
    Severity.INFO: "#1264A3",
}
QUIET_COLOURS: Mapping[EventKind, str] = {
    EventKind.RESOLVED: "#36A64F",
    EventKind.ACKNOWLEDGED: "#8A8F98",
    EventKind.FLAPPING: "#8A8F98",
    EventKind.TEST: "#8A8F98",
}
_REASONS: Mapping[str, str] = {
    "breach": "",  # value and condition say it better
    "no_data": "no data arrives",
    "recovered": "back to normal",
    "gone": "the series stopped reporting",
    "too_many_series": "there are more series than one rule may have, so new ones are not looked at",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One alert to tell. `missed`: it fired and was resolved before anybody could be told that it fires."""

    alert: AlertFacts
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """What one message is about: the newest facts of one rule, the alerts to tell, and how many are not listed."""

    facts: Notification
    event: EventKind
    severity: Severity
    items: tuple[Item, ...] = ()
    more: int = 0
    still_open: str = ""
    """The newest of its notifications that has alerts which still fire, as far as it knows; empty for none."""


@dataclass(frozen=True, slots=True)
class Line:
    """One alert in words."""

    symbol: str
    word: str
    severity: str
    series: str
    value: str
    when: str
    reason: str

    @property
    def text(self) -> str:
        """The whole alert in one line."""
        parts = [self.value, self.severity, self.when, self.reason]
        return f"{self.symbol} {self.word} {self.series}: " + ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Message:
    """A message in words. `facts` are (name, text) pairs, most important first; `lines` are empty for one alert.

    `id` never changes for one delivery; `thread` is the same for all messages about one rule.
    """

    id: str
    thread: str
    at: Millis
    event: EventKind
    symbol: str
    word: str
    colour: str
    severity: str
    title: str
    summary: str
    description: str
    facts: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    more: int
    runbook: str
    notes: tuple[str, ...]
    telling: Telling
    ack_url: str = ""
    """Where its alerts can be acknowledged: a secret of those who get the message. Empty: nowhere."""
    chart_url: str = ""
    """Where its chart can be fetched, for vendors that take pictures by their address alone. Empty: nowhere."""

    @property
    def badge(self) -> str:
        """`🔴 FIRING`: told apart without any colour."""
        return f"{self.symbol} {self.word}"


def build(
    telling: Telling,
    *,
    id: str,
    zone: str,
    may_repeat: bool = False,
    notes: Sequence[str] = (),
    ack_url: str = "",
    chart_url: str = "",
) -> Message:
    """The message of a telling with times in `zone`. `may_repeat`: an earlier attempt may have arrived."""
    told = telling.facts
    symbol, word = WORDS[telling.event]
    items = telling.items
    lines = tuple(line_of(item, zone) for item in items) if len(items) + telling.more > 1 else ()
    calm = telling.event is EventKind.ACKNOWLEDGED
    news = clean(told.note)
    said = tuple(note for note in (news, *map(clean, notes)) if note)
    repeat = ("This message may repeat an earlier one (may repeat).",) if may_repeat else ()
    return Message(
        id=id,
        thread=told.rule.id,
        at=told.slot,
        event=telling.event,
        symbol=symbol,
        word=word,
        colour=QUIET_COLOURS.get(telling.event) or COLOURS[telling.severity],
        severity=telling.severity.word,
        title=cut(clean(told.rule.title) or told.rule.id, 200),
        summary=_summary(telling, zone),
        # Who acknowledged is all the news; the rest was told before.
        description=cut(clean(told.note if calm else told.rule.description), 1200),
        facts=tuple(fact for fact in _facts(telling, zone) if not calm or fact[0] in ("Where", "Since")),
        lines=lines,
        more=telling.more,
        runbook="" if calm else web_link(told.rule.runbook_url),
        notes=tuple(cut(note, 500) for note in (said[bool(news) :] if calm else said)) + repeat,
        telling=telling,
        ack_url=web_link(ack_url),
        chart_url=web_link(chart_url),
    )


def _summary(telling: Telling, zone: str) -> str:
    """One sentence that is enough on a locked screen."""
    items = telling.items
    if not items:
        return cut(clean(telling.facts.monitor.name), 200)
    if len(items) == 1 and not telling.more:
        item = items[0]
        where = _where(telling, item.alert)
        value = _value(item.alert, _limit(telling.facts.rule, item.alert.severity))
        state = _reason(item.alert) if item.alert.event is EventKind.FLAPPING else ""
        return cut(", ".join(part for part in (where, value, _when(item, zone), state) if part), 600)
    counted: dict[str, int] = {}
    for item in items:
        word = WORDS[item.alert.event][1].lower()
        counted[word] = counted.get(word, 0) + 1
    total = len(items) + telling.more
    if len(counted) == 1 and not telling.more:
        return f"{total} alerts {next(iter(counted))}"
    shown = ", ".join(f"{count} {word}" for word, count in counted.items())
    more = f" and {telling.more} more" if telling.more else ""
    return f"{total} alerts: {shown}{more}"


def _facts(telling: Telling, zone: str) -> list[tuple[str, str]]:
    told, items = telling.facts, telling.items
    facts = [("Severity", telling.severity.word)]
    if len(items) == 1 and not telling.more:
        item = items[0]
        alert = item.alert
        started, ended = _bounds(alert)
        facts = [
            ("Where", _where(telling, alert)),
            ("Severity", alert.severity.word),
            ("Value", _value(alert, _limit(told.rule, alert.severity))),
            ("Was firing" if item.missed else "Since", _period(item, zone) if started else ""),
            ("Lasted", duration(ended - started) if ended and started else ""),
            ("Reason", _reason(alert)),
        ]
    elif told.monitor.name:
        facts.append(("Where", cut(clean(told.monitor.name), 200)))
    facts.append(("Condition", cut(clean(told.rule.condition_text), 500)))
    facts.append(("Labels", _labels({**told.monitor.labels, **told.rule.labels})))
    return [(name, text) for name, text in facts if text]


def line_of(item: Item, zone: str) -> Line:
    """The alert in words."""
    alert = item.alert
    symbol, word = WORDS[alert.event]
    return Line(
        symbol=symbol,
        word=word,
        severity=alert.severity.word,
        series=cut(clean(alert.series), 150) or alert.id,
        value=_value(alert, ""),
        when=_when(item, zone),
        reason=_reason(alert),
    )


def _where(telling: Telling, alert: AlertFacts) -> str:
    monitor = telling.facts.monitor
    return cut(clean(" · ".join(part for part in (monitor.name or monitor.id, alert.series) if part)), 300)


def _value(alert: AlertFacts, limit: str) -> str:
    shown = cut(clean(alert.text), 200) or (number(alert.value) if alert.value is not None else "")
    return f"{shown} (threshold {limit})" if shown and limit else shown


def _limit(rule: RuleFacts, severity: Severity) -> str:
    """`> 90`: what the value was compared with, of the alert's own level where the rule has several."""
    found = rule.condition.get("levels")
    levels = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list | tuple) else []
    values = [one.get("value") for one in levels if str(one.get("severity")).lower() == severity.word]
    limit = next((value for value in values if isinstance(value, int | float)), rule.threshold)
    operator = clean(str(rule.condition.get("operator") or ""))[:2]
    return "" if limit is None else f"{operator} {number(limit)}".lstrip()


def _bounds(alert: AlertFacts) -> tuple[Millis, Millis | None]:
    return alert.started_at or alert.fired_at, alert.resolved_at


def _period(item: Item, zone: str) -> str:
    started, ended = _bounds(item.alert)
    return span(started, ended, zone) if item.missed and ended else moment(started, zone)


def _when(item: Item, zone: str) -> str:
    started, ended = _bounds(item.alert)
    if not started:
        return ""
    if item.missed and ended:
        return f"was firing {span(started, ended, zone)} ({duration(ended - started)})"
    if ended:
        return f"since {moment(started, zone)}, lasted {duration(ended - started)}"
    return f"since {moment(started, zone)}"


def _reason(alert: AlertFacts) -> str:
    if alert.event is EventKind.FLAPPING:
        return f"{'firing' if alert.resolved_at is None else 'ok'} now, but it changes too often"
    if alert.reason in _REASONS:
        return _REASONS[alert.reason]
    return cut(clean(alert.reason.replace("_", " ")), 200)


def _labels(labels: Mapping[str, str]) -> str:
    shown = [f"{cut(clean(name), 60)}={cut(clean(text), 100)}" for name, text in sorted(labels.items())]
    more = [f"and {len(shown) - SHOWN_LABELS} more"] if len(shown) > SHOWN_LABELS else []
    return ", ".join(shown[:SHOWN_LABELS] + more)


def headline(message: Message) -> str:
    """`🔴 FIRING: Demo site is down`."""
    return f"{message.badge}: {message.title}"


def plain_text(message: Message, shown: int = 50) -> str:
    """The whole message as plain text, with `shown` alerts at the most."""
    link = f"Acknowledge: {message.ack_url}" if message.ack_url else ""
    rows = [headline(message), message.summary, link, message.description]
    rows += [f"{name}: {text}" for name, text in message.facts]
    rows += [f"- {line.text}" for line in message.lines[:shown]]
    hidden = max(0, len(message.lines) - shown) + message.more
    rows += [f"… and {hidden} more alerts"] if hidden and message.lines else []
    rows += [f"Runbook: {message.runbook}"] if message.runbook else []
    return "\n".join(row for row in [*rows, *message.notes] if row)
