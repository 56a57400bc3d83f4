"""What one message says about many rules at once, worded once for every kind: counts, and the worst first. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from shared.channels._message import COLOURS, QUIET_COLOURS, WORDS, Line, Message, Telling, line_of
from shared.channels._text import clean, cut
from shared.model import EventKind

SYMBOL, WORD = "📚", "DIGEST"
LINES = 60
"""More than any kind shows; what is beyond is counted."""
_NOTES = 3
_ALL = "tocsin alerts list"


def digest(
    tellings: Sequence[Telling], *, id: str, zone: str, may_repeat: bool = False, notes: Sequence[str] = ()
) -> Message:
    """The message that tells of these rules, one line for each, with times in `zone`.

    `id` is the digest's, the same whenever it is sent. `may_repeat`: an earlier attempt may have arrived.
    """
    ordered = sorted(tellings, key=_rank)
    worst, events = ordered[0], [telling.event for telling in ordered]
    over = all(event is EventKind.RESOLVED for event in events)
    event = EventKind.RESOLVED if over else next(one for one in events if one is not EventKind.RESOLVED)
    telling = replace(worst, event=event, items=(), more=len(ordered), still_open="")
    more = sum(_alerts(one) for one in ordered[LINES:])
    repeat = " (may repeat)" if may_repeat else ""  # in the title, which is never cut off
    return Message(
        id=id,
        thread="digest",
        at=max(one.facts.slot for one in ordered),
        event=event,
        symbol=SYMBOL,
        word=WORD,
        colour=QUIET_COLOURS[EventKind.RESOLVED] if over else COLOURS[worst.severity],
        severity=worst.severity.word,
        title=f"{_counted(len(ordered), 'rule', 'rules')}: {_counts(WORDS[one][1].lower() for one in events)}{repeat}",
        summary=_summary(ordered, over=over),
        description="",
        facts=(("Severity", worst.severity.word), ("To see all", _ALL)),
        lines=tuple(_line(one, zone) for one in ordered[:LINES]),
        more=more,
        runbook="",
        notes=tuple(cut(clean(note), 500) for note in notes[:_NOTES]),
        telling=telling,
    )


def _rank(telling: Telling) -> tuple[bool, int, str]:
    """What still needs somebody first, then how bad it is."""
    return telling.event is EventKind.RESOLVED, -telling.severity, telling.facts.rule.title


def _alerts(telling: Telling) -> int:
    return max(1, len(telling.items) + telling.more)


def _summary(ordered: Sequence[Telling], *, over: bool) -> str:
    """The worst in words, enough on a locked screen."""
    counted = [one for one in ordered if over or one.event is not EventKind.RESOLVED]
    severities = _counts(one.word for one in sorted((one.severity for one in counted), reverse=True))
    total = sum(_alerts(one) for one in ordered)
    return f"{_counted(total, 'alert', 'alerts')}; {'were' if over else 'open rules'}: {severities}"


def _counts(words: Iterable[str]) -> str:
    """`30 firing, 7 resolved`, in the order in which they come."""
    return ", ".join(f"{count:,} {word}" for word, count in Counter(words).items())


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _line(telling: Telling, zone: str) -> Line:
    """The rule's worst alert, by the rule's name."""
    title = cut(clean(telling.facts.rule.title) or telling.facts.rule.id, 150)
    symbol, word = WORDS[telling.event]
    bare = Line(symbol, word, telling.severity.word, title, "", "", "")
    if not telling.items:
        return bare
    shown = line_of(telling.items[0], zone)
    count = _alerts(telling)
    if count > 1:
        return replace(bare, value=_counted(count, "alert", "alerts"), when=shown.when)
    named = bool(telling.items[0].alert.series)
    return replace(
        bare,
        series=cut(f"{title}: {shown.series}", 250) if named else title,
        value=shown.value,
        when=shown.when,
        reason=shown.reason,
    )
