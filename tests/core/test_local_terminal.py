"""What the local stack shows of its functions' logs."""

from __future__ import annotations

import io

from rich.console import Console

from knative.local.journal import Journal
from knative.local.terminal import Terminal, note_line

LINES = (
    '{"message": "fired", "level": "INFO", "function": "evaluate", "rule_id": "rule_1", "ms": {"a": 1}}',
    '{"message": "hidden", "level": "debug"}',
    "[bold]plain {line}",
    '{"broken json',
    '{"message": "tick 1", "level": "INFO", "quiet": true}',
    '{"message": "tick 2", "level": "INFO", "quiet": false}',
)


def shown(*, verbose: bool = False, screen: bool = False) -> str:
    file, journal = io.StringIO(), Journal()
    console = Console(
        file=file, width=200, force_terminal=screen, color_system=None, _environ={"TERM": "xterm"}
    )
    journal.listen(Terminal(console, verbose=verbose).show)
    for line in LINES:
        note_line(journal, "evaluate", line)
    return file.getvalue()


def test_a_json_line_is_shown_as_its_message_another_as_it_is_and_debug_only_when_asked() -> None:
    assert [line[9:] for line in shown().splitlines()] == [
        "evaluate       fired",
        "evaluate       [bold]plain {line}",
        'evaluate       {"broken json',
        "evaluate       tick 1",
        "evaluate       tick 2",
    ]
    curious = [line[24:] for line in shown(verbose=True).splitlines()]
    assert curious[:2] == ["fired  rule_id=rule_1", "hidden"]


def test_on_a_screen_the_next_line_takes_the_place_of_one_without_news() -> None:
    last, news = shown(screen=True).rstrip("\n").split("\n")[-2:]
    assert last.endswith('{"broken json')
    before, after = news.split("\r\x1b[2K")
    assert before.endswith("tick 1")
    assert after.endswith("tick 2")
    assert "\x1b[2K" not in shown(screen=True, verbose=True)
