"""Whole evaluators through stories that hypothesis makes up: everything that people and machines do, in any order.

Points of two series, slots that are missed or come twice, new processes, edits, rules switched off and on, silences
(once and weekly, in the night in which Berlin's clock is put back), acknowledgements that run out, forgotten series.
The oracle knows none of the rules: an alert is told before it is resolved and resolved once, nothing is told twice,
there is no firing in the cooldown of another, nobody is told in a silence, and when nothing is held any more, what was
told is what is.
"""

import tempfile
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared import manage
from shared.errors import Conflict, InvalidInput
from shared.manage import RuleChanges
from shared.model import Notification, Phase
from shared.store.tables import alerts, outbox, states
from tests.support.databases import sqlite
from tests.support.sink import Reply, Sink
from tests.support.telling import opened_and_resolved
from tests.support.world import STEP, World, threshold

pytestmark = pytest.mark.timeout(240)
"""A story that goes wrong is made shorter before it is shown."""

HOSTS = ("a", "b")
VALUES = {"clean": "1", "between": "7", "high": "11", "critical": "25", "nothing": ""}
NIGHT = int(datetime(2026, 10, 24, 22, 0, tzinfo=UTC).timestamp() * 1000)
"""Midnight in Berlin; three hours later its clock shows 02:00 for the second time."""
HALF_PAST_ONE, HALF_PAST_THREE = 90, 210


class Story(RuleBasedStateMachine):
    """One rule over two series. `number` is the slot of the last tick."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="tocsin-")
        self.sink = Sink(Reply(202)).__enter__()
        url = sqlite(Path(self.folder.name) / "tocsin.db")
        self.world = World(
            Path(self.folder.name), self.sink, url, "embedded:///metrics.db", max_skew_intervals=10**9
        )
        self.world.first, self.number = NIGHT, 0
        self.shown = dict.fromkeys(HOSTS, "clean")
        self.hushed: list[int] = []
        """Slots in which a silence over everything held."""
        self.once, self.weekly = (0, 0), False
        self.silences: list[str] = []
        self.cooldown = 0
        self.cooldowns: dict[int, int] = {}
        """Slot → the cooldown in it, in seconds."""

    @initialize(cooldown=st.sampled_from([0, 120]), group=st.sampled_from([0, 60]))
    def begin(self, cooldown: int, group: int) -> None:
        self.world.add_monitor("mon_a", key=["host"])
        condition = self.condition(0, 0, "keep")
        self.world.add_rule("rule_a", condition=condition, cooldown_seconds=cooldown, group_seconds=group)
        self.cooldown = cooldown
        self.advance(1)

    @staticmethod
    def condition(wait: int, keep: int, no_data: str) -> dict[str, Any]:
        levels = [{"severity": "critical", "value": 20}]
        times: dict[str, Any] = {"window_seconds": 30, "for_seconds": wait, "keep_firing_seconds": keep}
        return threshold(">", 10, recovery_value=5, levels=levels, no_data=no_data, **times)

    # -------------------------------------------------------------- machines

    @rule(
        values=st.tuples(*(st.sampled_from(sorted(VALUES)) for _ in HOSTS)),
        steps=st.sampled_from([1, 1, 1, 1, 2, 9, 40, 120]),
    )
    def tick(self, values: tuple[str, ...], steps: int) -> None:
        self.shown = dict(zip(HOSTS, values, strict=True))
        self.advance(steps)

    @rule(times=st.integers(3, 9))
    def flutter(self, times: int) -> None:
        """It breaches and recovers in turns."""
        for number in range(times):
            self.shown["a"] = ("high", "clean")[number % 2]
            self.advance(1)

    def advance(self, steps: int) -> None:
        self.number += steps
        points = [f"m,host={host} value={VALUES[name]}" for host, name in self.shown.items() if VALUES[name]]
        if points:
            self.world.write(self.number, *points)
        assert self.world.run(self.number) is not None
        self.cooldowns[self.now] = self.cooldown
        if self.silent():
            self.hushed.append(self.now)

    @property
    def now(self) -> int:
        return self.world.slot(self.number)

    def silent(self) -> bool:
        """By the clock on a wall in Berlin."""
        wall = datetime.fromtimestamp(self.now / 1000, ZoneInfo("Europe/Berlin"))
        weekly = self.weekly and HALF_PAST_ONE <= wall.hour * 60 + wall.minute < HALF_PAST_THREE
        return weekly or self.once[0] <= self.now < self.once[1]

    @rule(late=st.integers(0, 3))
    def tick_again(self, late: int) -> None:
        assert self.world.run(self.number - late) is None

    @rule()
    def new_process(self) -> None:
        self.world.wiring.close()
        self.world.wiring = self.world.new_process()

    # -------------------------------------------------------------- people

    @rule(
        wait=st.sampled_from([0, 60]),
        keep=st.sampled_from([0, 60]),
        no_data=st.sampled_from(["keep", "alert", "ok"]),
        cooldown=st.sampled_from([0, 120, 3600]),
        repeat=st.sampled_from([0, 300]),
        group=st.sampled_from([0, 60]),
    )
    def edit(self, wait: int, keep: int, no_data: str, cooldown: int, repeat: int, group: int) -> None:
        self.cooldown = cooldown
        changes = RuleChanges(
            condition=self.condition(wait, keep, no_data),
            cooldown_seconds=cooldown,
            repeat_seconds=repeat,
            group_seconds=group,
        )
        manage.update_rule(self.world.wiring, "rule_a", changes, actor="test", now=self.now)

    @rule(on=st.booleans())
    def switch(self, on: bool) -> None:
        manage.set_enabled(self.world.wiring, "rule_a", on, actor="test", now=self.now)

    @precondition(lambda self: self.once[1] <= self.now)
    @rule(slots=st.integers(1, 60))
    def silence(self, slots: int) -> None:
        self.once = (self.now, self.now + slots * STEP)
        given = {"rules": ["rule_a"], "duration_seconds": slots * STEP // 1000}
        self.begin_silence(given)

    @precondition(lambda self: not self.weekly)
    @rule()
    def silence_weekly(self) -> None:
        self.weekly = True
        self.begin_silence(
            {"at_least": "info", "weekly": manage.weekly_of("daily 01:30-03:30", "Europe/Berlin")}
        )

    def begin_silence(self, given: dict[str, object]) -> None:
        draft = manage.draft_silence({**given, "reason": "deploy"})
        made = manage.silence_alerts(self.world.wiring, draft, by="ann", actor="test", now=self.now)
        self.silences.append(made.id)

    @precondition(lambda self: self.silences)
    @rule()
    def end_silences(self) -> None:
        for one in self.silences:
            with suppress(Conflict):  # it is over already
                manage.end_silence(self.world.wiring, one, actor="test", now=self.now)
        self.silences, self.once, self.weekly = [], (0, 0), False

    @rule(slots=st.sampled_from([0, 2, 100]))
    def acknowledge(self, slots: int) -> None:
        until = self.now + slots * STEP if slots else None
        for row in self.world.rows(alerts, state="firing"):
            manage.acknowledge(
                self.world.wiring, row["id"], by="ann", until=until, actor="test", now=self.now
            )

    @rule()
    def withdraw(self) -> None:
        for row in self.world.rows(alerts, state="firing"):
            with suppress(InvalidInput):  # it is nobody's
                manage.withdraw_acknowledgement(self.world.wiring, row["id"], actor="test", now=self.now)

    @rule(host=st.sampled_from(HOSTS))
    def forget(self, host: str) -> None:
        if self.world.rows(states, key=f'["mon_a",[["host","{host}"]]]'):
            manage.forget_series(self.world.wiring, "rule_a", f"host={host}", actor="test", now=self.now)

    # -------------------------------------------------------------- what must hold

    def told(self) -> list[Notification]:
        rows = sorted(self.world.rows(outbox), key=lambda row: row["seq"])
        return [Notification.model_validate_json(row["body"]) for row in rows]

    @invariant()
    def a_series_has_one_open_alert(self) -> None:
        open_alerts = Counter(row["series_id"] for row in self.world.rows(alerts, state="firing"))
        assert max(open_alerts.values(), default=0) <= 1

    @invariant()
    def what_is_owed_is_held_by_something(self) -> None:
        assert all(bool(row["owes"]) == bool(row["held_by"]) for row in self.world.rows(states))

    def teardown(self) -> None:
        try:
            self.check_the_end()
        finally:
            self.world.wiring.close()
            self.sink.__exit__(None, None, None)
            self.folder.cleanup()

    def check_the_end(self) -> None:
        """Nothing holds anything back any more, and the series stay as they are; then they recover."""
        self.end_silences()
        self.withdraw()
        self.switch(True)
        self.settle()
        for row in self.world.rows(states):
            firing = row["phase"] == Phase.FIRING.value
            assert not row["owes"]
            assert row["announced_alert"] == (row["alert_id"] if firing else "")
            assert row["announced"] >= row["level"] if firing else row["announced"] == 0
        self.edit(0, 0, "ok", 0, 0, 0)
        self.shown = dict.fromkeys(HOSTS, "clean")
        self.settle()
        opened, resolved = opened_and_resolved(self.told(), self.hushed, self.cooldowns)
        assert not self.world.rows(alerts, state="firing")
        assert opened <= resolved.keys()

    def settle(self) -> None:
        for steps in (1, 1, 12, 1, 120, 1, 1):
            self.advance(steps)


Story.TestCase.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
test_whatever_happens_what_was_told_in_the_end_is_what_is = Story.TestCase
