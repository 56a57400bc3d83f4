"""Silences: say that nobody wants to be told about something for a while, see which there are, end one."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from shared.errors import Conflict, InvalidInput
from shared.manage import checks
from shared.manage.ports import Ports
from shared.manage.silence_drafts import SilenceDraft, matcher_of, span_of
from shared.model import Millis
from shared.silences import FOREVER, Matcher, Silence, Subject, read_silence, subject
from shared.store import audit, managed, monitors, silences
from shared.store.engine import Tx
from shared.store.managed import Page
from shared.store.silences import FiringRow, SilenceRow
from shared.weekly import Weekly, Window

SilenceState = Literal["active", "pending", "expired"]
STATES: tuple[SilenceState, ...] = ("active", "pending", "expired")


@dataclass(frozen=True, slots=True)
class SilenceItem:
    """A silence and how it stands: `active` now, `pending` (later, or between its weekly hours), or `expired`.

    `about` says in words what it matches. `ends_at` is None for one that goes on until it is ended. `window` is when
    it is silent now or next; None when never again. `alerts` is how many alerts that fire now it matches.
    """

    id: str
    state: SilenceState
    about: str
    matcher: Matcher
    weekly: Weekly | None
    starts_at: Millis
    ends_at: Millis | None
    window: Window | None
    reason: str
    created_by: str
    created_at: Millis
    ended_at: Millis | None
    alerts: int


def silence_alerts(ports: Ports, draft: SilenceDraft, *, by: str, actor: str, now: Millis) -> SilenceItem:
    """Begin a silence, or plan one. Raises InvalidInput, and NotFound for a rule or monitor that does not exist."""
    starts_at, ends_at = span_of(draft, now)
    reason = reason_of(draft.reason)
    name = checks.fits("by", checks.one_line("by", by), 200)

    def work(tx: Tx) -> SilenceItem:
        matcher = matcher_of(tx, draft)
        row = SilenceRow(
            id=checks.new_id("sil", None),
            matcher=managed.dump(matcher.model_dump(mode="json", exclude_defaults=True)),
            starts_at=starts_at,
            ends_at=ends_at,
            weekly=None if draft.weekly is None else managed.dump(draft.weekly.model_dump(mode="json")),
            reason=reason,
            created_by=name,
            created_at=now,
        )
        if draft.weekly is not None and _silence(row).window(now) is None:
            raise InvalidInput("weekly", _hours(draft.weekly), "it has no hours before the silence ends")
        silences.insert(tx, row)
        audit.record(tx, now, actor, "silence.create", row.id, None, _facts(row))
        return _items(tx, [row], now)[0]

    return ports.store.write(work)


def reason_of(text: str) -> str:
    """Why there is a silence, checked. Raises InvalidInput."""
    reason = checks.fits("reason", checks.one_line("reason", text) if text else "", 1000)
    if not reason:
        raise InvalidInput("reason", None, "say why, so that others know whether it may be ended")
    return reason


def list_silences(
    ports: Ports, *, state: str = "", now: Millis, limit: int = 50, cursor: str = ""
) -> Page[SilenceItem]:
    """Silences, newest first: those that are not over, or only those of one state.

    A page may hold fewer than `limit`, and still have a next one.
    """
    if state and state not in STATES:
        raise InvalidInput("state", state, f"valid are {', '.join(STATES)}", checks.meant(state, STATES))

    def work(tx: Tx) -> Page[SilenceItem]:
        page = silences.page(tx, over=state == "expired", now=now, limit=limit, cursor=cursor)
        items = _items(tx, page.items, now)
        kept = tuple(item for item in items if state in ("", item.state))
        # Which of those that are not over are active is known for this page only.
        return Page(kept, page.cursor, page.total if state in ("", "expired") else None)

    return ports.store.read(work)


def end_silence(ports: Ports, wanted: str, *, actor: str, now: Millis) -> SilenceItem:
    """End a silence, by its id or the beginning of it; what it held back is told by the next tick.

    Raises NotFound, and Conflict when it is over already.
    """

    def work(tx: Tx) -> SilenceItem:
        row = silences.find(tx, wanted)
        if row.ended_at is None and row.ends_at <= now:
            raise Conflict(f"silence {row.id} is over already")
        silences.end(tx, row.id, now)
        ended = silences.get(tx, row.id)
        audit.record(tx, now, actor, "silence.end", row.id, _facts(row), _facts(ended))
        return _items(tx, [ended], now)[0]

    return ports.store.write(work)


# ------------------------------------------------------------------ how silences stand


def _items(tx: Tx, rows: Iterable[SilenceRow], now: Millis) -> list[SilenceItem]:
    read = [(row, _silence(row)) for row in rows]
    subjects = _subjects(silences.firing(tx)) if read else []
    titles = silences.titles(tx, {rule_id for _, one in read for rule_id in one.matcher.rules})
    titles |= monitors.names(
        tx, sorted({monitor_id for _, one in read for monitor_id in one.matcher.monitors})
    )
    return [_item(row, silence, subjects, titles, now) for row, silence in read]


def _item(
    row: SilenceRow, silence: Silence, subjects: Iterable[Subject], titles: Mapping[str, str], now: Millis
) -> SilenceItem:
    window = silence.window(now) if row.ended_at is None else None
    return SilenceItem(
        id=row.id,
        state="expired" if window is None else "active" if window[0] <= now else "pending",
        about=_words(silence.matcher, titles),
        matcher=silence.matcher,
        weekly=silence.weekly,
        starts_at=row.starts_at,
        ends_at=None if row.ends_at == FOREVER else row.ends_at,
        window=window,
        reason=row.reason,
        created_by=row.created_by,
        created_at=row.created_at,
        ended_at=row.ended_at,
        alerts=sum(1 for about in subjects if silence.matcher.matches(about)),
    )


def _silence(row: SilenceRow) -> Silence:
    return read_silence(row.id, row.matcher, row.starts_at, row.ends_at, row.weekly, row.reason)


def _subjects(rows: Iterable[FiringRow]) -> list[Subject]:
    labels: Any = cache(json.loads)

    def about(row: FiringRow) -> Subject:
        of_monitor = labels(row.monitor_labels or "{}")
        return subject(row.rule_id, row.key, row.level, labels(row.rule_labels), lambda _id: of_monitor)

    return [about(row) for row in rows]


def _words(matcher: Matcher, titles: Mapping[str, str]) -> str:
    """`rule "CPU busy" or "Disk full", severity high or worse, env=prod`."""
    parts = []
    for kind, ids in (("rule", matcher.rules), ("monitor", matcher.monitors)):
        if ids:
            parts.append(f"{kind} " + " or ".join(f'"{titles.get(one, one)}"' for one in ids))
    if matcher.severity is not None:
        parts.append(f"severity {matcher.severity.word}")
    if matcher.at_least is not None:
        parts.append(f"severity {matcher.at_least.word} or worse")
    return ", ".join([*parts, *(f"{name}={value}" for name, value in matcher.labels.items())])


def _hours(weekly: Weekly) -> str:
    return f"{','.join(weekly.days)} {weekly.start}-{weekly.end} {weekly.zone}"


def _facts(row: SilenceRow) -> dict[str, Any]:
    """The row as the audit keeps it."""
    return {
        "matcher": json.loads(row.matcher),
        "weekly": None if row.weekly is None else json.loads(row.weekly),
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "reason": row.reason,
        "created_by": row.created_by,
        "ended_at": row.ended_at,
    }
