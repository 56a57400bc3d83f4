"""How an explanation of a rule looks in the terminal: the rule, why it may not fire, then the story of one series."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from shared import terminal

if TYPE_CHECKING:
    from shared.manage import Explained, SeriesStory


def explained(one: "Explained") -> None:
    """The whole explanation."""
    standing = one.standing
    reason = f": {standing.health_reason}" if standing.health_reason else ""
    since = f", since {terminal.when(standing.health_since)}" if standing.health_since else ""
    terminal.facts(
        [
            ("Rule", f"{one.rule.title} ({one.rule.id})"),
            ("Condition", one.condition_text),
            ("Severity", one.rule.severity.word),
            ("Monitor", one.monitor),
            ("Channels", ", ".join(one.told_on) or "none"),
            ("Health", f"{standing.health}{reason}{since}"),
            ("Firing", f"{standing.firing} of {one.series_count} series"),
        ]
    )
    _sentences(f"{'Never fires' if doubt.sure else 'May never fire'}: {doubt.text}." for doubt in one.doubts)
    _sentences(one.obstacles)
    if len(one.active) > 1:
        heading, begins = terminal.times("Since", (each.since for each in one.active))
        rows = [
            (each.name, each.state, terminal.severity(each.level), began,
             terminal.number(each.value, each.text), each.held_by)
            for began, each in zip(begins, one.active, strict=True)
        ]  # fmt: skip
        terminal.table(("Series", "State", "Severity", heading, "Value", "Held by"), rows, "")
    if one.story is None:
        terminal.say("No series was ever seen, so there is nothing to decide on.")
    else:
        _story(one.story)
    if one.trouble:
        terminal.say(f"The last slots can't be shown: {one.trouble}")
    if one.others:
        some = ", ".join(one.others[:5]) + (", …" if len(one.others) > 5 else "")
        terminal.say(f"Other series (--series): {some}")


def _story(story: "SeriesStory") -> None:
    terminal.say(f"\n{story.name}: {terminal.local(story.situation)}")
    _sentences(line for line in (story.told, *story.holds, *story.next) if line)
    if story.slots:
        _slots(story)
    if story.steps:
        _steps(story)


def _slots(story: "SeriesStory") -> None:
    heading, slots = terminal.times("Slot", (slot.at for slot in story.slots))
    rows = [
        (
            at,
            terminal.number(slot.value, slot.text) or slot.missing,
            terminal.severity(slot.level) if slot.level else "",
            slot.state,
            f"tells {slot.told}" if slot.told else f"held by {slot.held_by}" if slot.held_by else "",
        )
        for at, slot in zip(slots, story.slots, strict=True)
    ]
    terminal.say("\nThe last slots, played again with the rule as it is now:")
    terminal.table((heading, "Value", "Breach", "State", "Messages"), rows, "")


def _steps(story: "SeriesStory") -> None:
    heading, slots = terminal.times("Slot", (step.slot for step in story.steps))
    rows = [
        (
            at,
            step.change,
            terminal.severity(step.level),
            terminal.number(step.value),
            step.reason,
            step.held_by,
        )
        for at, step in zip(slots, story.steps, strict=True)
    ]
    terminal.say("What really happened:")
    terminal.table((heading, "Change", "Level", "Value", "Reason", "Held by"), rows, "")


def _sentences(lines: Iterable[str]) -> None:
    for line in lines:
        terminal.say(f"  {terminal.local(line)}")
