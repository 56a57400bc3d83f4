"""Survival, in short: rules flip while functions, Broker, MariaDB, Redis and InfluxDB fail; receivers hear the truth.

`make soak` is the long one. docs/local-twin.md says what this proves.
"""

import time
from pathlib import Path

import pytest

from tests.soak._run import Wanted, run
from tests.soak._storm import EVERY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]
FUNCTIONS = ("evaluate", "notify-slack", "notify-webhook", "notify-pagerduty", "dead-letter")
WANTED = Wanted(
    rules=40, seed=7, waves=3, troubles=4, kill_every=5, whole=False, drain_seconds=120, hang_seconds=2
)


def test_whatever_fails_every_receiver_is_told_every_episode_and_its_end_and_nothing_else(
    folder: Path,
) -> None:
    lines: list[str] = []
    outcome = run(folder, WANTED, lambda text: lines.append(f"{time.strftime('%H:%M:%S')} {text}"))
    counted = [f"{count} {what}" for what, count in outcome.faults.items()]
    story = "\n".join([*outcome.wrong[:20], *lines, f"seed {WANTED.seed}", *counted])

    assert outcome.wrong == [], story
    # And it was a storm: each sort of trouble came, nobody was spared, and there was enough to tell.
    events = [f"event {what}" for what in ("dropped", "duplicated", "reordered")]
    killed = [f"{name} killed" for name in (*FUNCTIONS, "mariadb")]
    assert [what for what in (*EVERY, *events, *killed) if not outcome.faults[what]] == [], story
    for kind in ("webhook", "pagerduty"):
        assert outcome.verdicts[kind].counts["episodes"] >= WANTED.rules, story
        assert outcome.verdicts[kind].counts["told"] > outcome.verdicts[kind].counts["episodes"], story
