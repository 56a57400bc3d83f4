"""What is left when a message is too long: title, value and link, whole, on every channel that people read."""

import pytest

from shared.channels import kinds, load_kind
from shared.channels._message import Message
from shared.channels._shorter import fitted, listing, versions
from shared.channels._text import clusters, cut, utf16
from tests.support.channels import message_of, rendered, shown
from tests.support.deliveries import alert, notification

PEOPLE = [kind for kind in kinds() if load_kind(kind).HUMAN]


def huge(letter: str = "x") -> Message:
    labels = {f"{letter}{number}": letter * 100 for number in range(40)}
    rule = {
        "title": "Disk is full",
        "description": letter * 5000,
        "condition_text": letter * 5000,
        "labels": labels,
    }
    series = alert(1, value=97.25).model_copy(update={"series": letter * 5000})
    return message_of(notification(alerts=[series], rule=rule, note=letter * 5000))


@pytest.mark.parametrize("kind", PEOPLE)
@pytest.mark.parametrize(
    "letter", ["x", "*", "&", "字", "👩‍👩‍👧‍👦"], ids=["x", "star", "and", "cjk", "family"]
)
def test_a_message_that_is_too_long_keeps_title_value_and_link(kind: str, letter: str) -> None:
    text = shown(kind, rendered(kind, huge(letter))[0])
    for kept in ("FIRING", "Disk is full", "97.25 (threshold 1)", "https://wiki.example/demo"):
        assert kept in text


def test_what_people_miss_least_goes_first() -> None:
    message = message_of(
        notification(alerts=[alert(n) for n in range(30)], note="note", rule={"description": "d" * 900})
    )
    steps = list(versions(message, 20))
    assert [len(step.lines) for step in steps] == [20, 20, 10, 5, 5, 5, 3, 1, 0, 0]
    assert all(len(step.lines) + step.more == 30 for step in steps)
    assert [any(name == "Labels" for name, _ in step.facts) for step in steps[:2]] == [True, False]
    assert [len(step.description) for step in steps[3:6]] == [900, 200, 0]
    assert [bool(step.notes) for step in steps[-2:]] == [True, False]
    assert all(step.title == message.title and step.runbook == message.runbook for step in steps)
    assert all(any(name == "Condition" for name, _ in step.facts) for step in steps)


def test_the_first_version_that_fits_is_taken_and_the_shortest_if_none_does() -> None:
    message = message_of(notification(alerts=[alert(n) for n in range(30)]))
    assert fitted(message, lambda one: len(one.lines), lambda count: count <= 7, 20) == 5
    assert fitted(message, lambda one: len(one.lines), lambda count: False, 20) == 0
    assert listing(message, 30) is message


@pytest.mark.parametrize(
    "whole",
    ["👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "1️⃣", "é", "각", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "नि", "ｶﾞ", "❤️‍🔥"],
    ids=["family", "flag", "skin", "keycap", "accent", "jamo", "england", "vowel", "voiced", "heart"],
)
def test_what_people_see_as_one_character_is_never_cut(whole: str) -> None:
    assert list(clusters(f"a{whole}b")) == ["a", whole, "b"]
    for limit in range(2, utf16(whole) * 3 + 2):
        assert cut(whole * 4, limit).removesuffix("…").replace(whole, "") == ""
