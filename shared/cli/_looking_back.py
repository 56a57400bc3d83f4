"""How a backtest looks in the terminal: the answer first, then what it is made of."""

from typing import TYPE_CHECKING

from shared import terminal

if TYPE_CHECKING:
    from shared.backtest.findings import Found, SeriesFound

_EPISODES, _TOLD, _HELD, _SERIES, _GAPS = 10, 10, 5, 10, 3


def found(result: "Found") -> None:
    """The whole report."""
    terminal.say(_summary(result))
    terminal.facts(
        [
            ("Rule", f"{result.title}: {result.condition}"),
            ("Range", f"{terminal.when(result.start)} to {terminal.when(result.end)}"),
            (
                "Looked",
                f"every {_lasting(result.interval_ms)}, {result.slots} times; {result.points} points read",
            ),
        ]
    )
    _episodes(result)
    _told(result)
    _coverage(result)
    for reason, count in result.troubles:
        terminal.say(f"Not readable {_times(count)}: {reason}")
    _suggested(result)


def _summary(result: "Found") -> str:
    days = (result.end - result.start) / 86_400_000
    span = _lasting(result.end - result.start)
    if not any(one.readings for one in result.series) and not result.fired:
        return (
            f"Nothing to see in {span}: no series had a reading. Check the monitor, the field and the range."
        )
    if not result.fired:
        almost = f"; it was pending {_times(result.pending_only)}" if result.pending_only else ""
        return f"It would not have fired in {span}{almost}."
    rate = f", {result.notifications_per_day:g} a day" if days >= 1 else ""
    series = f" over {result.series_count} series" if result.series_count > 1 else ""
    messages = f"{result.notifications} message{'' if result.notifications == 1 else 's'}"
    return f"It would have fired {_times(result.fired)} in {span}{series}, and sent {messages}{rate}."


def _episodes(result: "Found") -> None:
    several = result.series_count > 1
    rows = [
        (episode.pending_since, one, episode)
        for one in result.series
        for episode in one.episodes
        if episode.fired_at is not None
    ]
    rows.sort(key=lambda row: row[0])
    if not rows:
        return
    terminal.say(f"\nWhen it would have fired{_last(len(rows), result.fired, _EPISODES)}:")
    heading, fired = terminal.times("Fired", (episode.fired_at for _, _, episode in rows[-_EPISODES:]))
    table = [
        (
            at,
            _lasting((episode.ended_at or result.end) - (episode.fired_at or 0)),
            *([one.name] if several else []),
            terminal.severity(episode.level),
            terminal.number(episode.value if episode.peak is None else episode.peak, episode.text),
            episode.reason if episode.ended_at else "still firing",
        )
        for at, (_, one, episode) in zip(fired, rows[-_EPISODES:], strict=True)
    ]
    columns = (heading, "For", *(["Series"] if several else []), "Severity", "Worst", "Ended")
    terminal.table(columns, table, "")


def _told(result: "Found") -> None:
    if not result.told:
        return
    terminal.say(f"What would have been told{_last(len(result.told), result.notifications, _TOLD)}:")
    heading, told = terminal.times("Time", (one.at for one in result.told[-_TOLD:]))
    rows = [
        (
            at,
            one.event,
            ", ".join(one.series[:3]) + (f" and {one.count - 3} more" if one.count > 3 else ""),
            terminal.number(one.value, one.text),
            one.reason,
        )
        for at, one in zip(told, result.told[-_TOLD:], strict=True)
    ]
    terminal.table((heading, "Event", "Series", "Value", "Why"), rows, "")
    if result.held:
        _held(result)


def _held(result: "Found") -> None:
    terminal.say(f"What would have been held{_last(len(result.held), result.held_count, _HELD)}:")
    names = {one.key: one.name for one in result.series}
    heading, begins = terminal.times("Since", (one.since for one in result.held[-_HELD:]))
    held = [
        (
            at,
            "to the end" if one.until is None else _lasting(one.until - one.since),
            f"{one.event}\n{names.get(one.key, '')}",
            one.held_by,
            "still waiting"
            if one.until is None
            else f"told: {one.then}"
            if one.then
            else "nothing to tell any more",
        )
        for at, one in zip(begins, result.held[-_HELD:], strict=True)
    ]
    terminal.table((heading, "For", "What", "Held by", "Then"), held, "")


def _coverage(result: "Found") -> None:
    terminal.say("What there was to see:")
    series = result.series[:_SERIES]
    first, begins = terminal.times("First point", (one.first_at for one in series))
    last, ends = terminal.times("Last point", (one.last_at for one in series))
    rows = [
        (one.name, f"{one.coverage:.1%}", _gaps(one), begin, end)
        for one, begin, end in zip(series, begins, ends, strict=True)
    ]
    terminal.table(("Series", "Coverage", "Longest gaps", first, last), rows, "No series.")
    left = result.series_count - len(rows)
    if left:
        terminal.say(f"{left} more series are not shown; the sums above count them.")


def _gaps(one: "SeriesFound") -> str:
    if not one.gap_count:
        return "none"
    longest = sorted(one.gaps, key=lambda gap: gap.since - gap.until)[:_GAPS]
    more = f" (of {one.gap_count})" if one.gap_count > len(longest) else ""
    return ", ".join(_lasting(gap.until - gap.since) for gap in longest) + more


def _suggested(result: "Found") -> None:
    made = result.suggested
    if made is None:
        return
    for value, fired, unit in (
        (made.per_day, made.per_day_fired, "day"),
        (made.per_week, made.per_week_fired, "week"),
    ):
        if value is not None:
            terminal.say(f"About once a {unit}: a threshold of {value:g} would have fired {_times(fired)}.")
    if made.note:
        terminal.say(f"Suggestions: {made.note}.")


def _lasting(ms: int) -> str:
    return terminal.lasting(ms / 1000)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _last(shown: int, all_of_them: int, most: int) -> str:
    return f", the last {min(shown, most)} of {all_of_them}" if all_of_them > min(shown, most) else ""
