"""What keeps a series from being told, and what comes next, in sentences."""

from typing import Any

import pytest

from shared.manage.why import Circumstances, holds, next_steps, situation, told
from shared.model import Phase, SeriesState
from shared.policy import AnnouncePolicy, DecidePolicy

NOW = 1_700_000_010_000  # 2023-11-14 22:13:30Z
MINUTE = 60_000


def state(phase: Phase = Phase.FIRING, **given: Any) -> SeriesState:
    plain = {"since": NOW - 5 * MINUTE, "fired_at": NOW - 4 * MINUTE, "level": 3, "alert_id": "alert_a"}
    return SeriesState("rule_r", "s", "k", phase, **{**plain, **given})


def around(*, deciding: dict[str, Any] | None = None, repeat_ms: int = 0, **given: Any) -> Circumstances:
    policy = DecidePolicy("rule_r", **(deciding or {}))
    return Circumstances(policy, AnnouncePolicy(repeat_ms=repeat_ms), 30_000, **given)


@pytest.mark.parametrize(
    ("given", "circumstances", "words"),
    [
        (
            {"cooldown_until": NOW + MINUTE, "held_by": "cooldown"},
            {},
            "firing waits for the cooldown, until 2023-11-14 22:14:30Z",
        ),
        (
            {"acked_level": 3, "acked_until": NOW + MINUTE},
            {"acked_by": "ann", "ack_note": "on it"},
            "acknowledged by ann until 2023-11-14 22:14:30Z (on it)",
        ),
        ({"acked_level": 3}, {}, "acknowledged by somebody: not told again until it worsens or ends"),
        (
            {"flapping_since": NOW - MINUTE},
            {},
            "changes too often (since 2023-11-14 22:12:30Z): told when it has not changed for 5 min",
        ),
        (
            {"held_by": "grouped"},
            {"grouped_until": NOW + MINUTE},
            "waits for other series of the rule, to share one message at 2023-11-14 22:14:30Z",
        ),
        (
            {},
            {"silences": [("sil_a", "moving", NOW + MINUTE)]},
            "silenced until 2023-11-14 22:14:30Z by sil_a (moving)",
        ),
    ],
    ids=["cooldown", "acknowledged", "acknowledged without end", "flapping", "grouped", "silenced"],
)
def test_each_hold_is_one_sentence(given: dict[str, Any], circumstances: dict[str, Any], words: str) -> None:
    (sentence,) = holds(state(**given), around(**circumstances), NOW)

    assert words in sentence


def test_holds_that_are_over_are_not_named() -> None:
    over = state(
        Phase.OK, cooldown_until=NOW, acked_level=3, acked_until=NOW, ended_at=NOW, announced=0, level=0
    )

    assert holds(over, around(grouped_until=NOW), NOW) == []


@pytest.mark.parametrize(
    ("given", "circumstances", "words"),
    [
        (
            {"phase": Phase.PENDING, "since": NOW - MINUTE},
            {"deciding": {"for_ms": 2 * MINUTE}},
            "fires at 2023-11-14 22:14:30Z if it keeps breaching",
        ),
        (
            {"clean_since": NOW},
            {"deciding": {"keep_firing_ms": 90_000}},
            "resolves at 2023-11-14 22:15:00Z if it stays clean",
        ),
        ({"seen_at": NOW - MINUTE}, {"missing": "no value"}, "closes as gone at about 2023-11-14 23:12:30Z"),
        ({}, {"deciding": {"keep_firing_ms": 90_000}}, "resolves when it is clean for 90 s"),
        (
            {"phase": Phase.OK, "level": 0},
            {"deciding": {"for_ms": 2 * MINUTE}},
            "once it has breached for 2 min",
        ),
    ],
    ids=["pending", "clean", "gone", "firing", "ok"],
)
def test_what_comes_next_has_its_time(
    given: dict[str, Any], circumstances: dict[str, Any], words: str
) -> None:
    (sentence,) = next_steps(state(**given), around(**circumstances), NOW)

    assert words in sentence


def test_a_reminder_is_announced_with_its_slot() -> None:
    reminded = state(announced=3, announced_alert="alert_a", announced_at=NOW - MINUTE)

    assert "next reminder is due at 2023-11-14 22:15:00Z." in " ".join(
        next_steps(reminded, around(repeat_ms=140_000), NOW)
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "It has been firing (high) since 2023-11-14 22:09:30Z"),
        ({"phase": Phase.PENDING}, "pending since 2023-11-14 22:08:30Z"),
        (
            {"phase": Phase.OK, "ended_at": NOW, "reason": "recovered"},
            "ok since 2023-11-14 22:13:30Z (recovered)",
        ),
        ({"phase": Phase.OK}, "has never fired"),
    ],
    ids=["firing", "pending", "ended", "never"],
)
def test_the_situation_is_one_sentence(given: dict[str, Any], words: str) -> None:
    assert words in situation(state(**given))


def test_what_was_told_is_known_to_be_of_this_alert_or_an_earlier_one() -> None:
    assert "was told at" in told(state(announced=3, announced_alert="alert_a", announced_at=NOW))
    assert "not yet that it ended" in told(state(announced=3, announced_alert="alert_0", announced_at=NOW))
    assert told(state()) == "Its firing was not told yet."
    assert told(state(Phase.OK)) == ""
