"""One run: waves under trouble, then quiet until nothing is owed, then the verdict."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.soak._input import STEP, Wave
from tests.soak._oracle import Death, Verdict, judge_crowd, judge_people, judge_program
from tests.soak._stage import Stage, opened
from tests.soak._storm import SENDERS, Storm
from tests.soak._time import Time
from tests.soak._told import Counted, Said, Told

CALM_SLOTS = 2
"""The last slots of every wave, in which nothing keeps evaluate from its work: so every episode can be seen."""
MOST_HELD = 300
"""With so many deliveries under way the next slot waits: a run is as quick as the machine, and not quicker."""
SETTLE_EVERY = 3
"""Waves after which everybody rests and a minute passes, so that what was lost comes again within the run."""
SETTLE_SECONDS = 120.0
_MINUTE = 60_000
_SHARES = (0.15, 0.3, 0.45)
_STORM_SHARE = 0.9


@dataclass(frozen=True)
class Wanted:
    """How large a run is. It ends after `waves` waves, or with the first that begins after `seconds`."""

    rules: int
    seed: int
    waves: int = 10_000
    seconds: float = 3600.0
    troubles: int = 3
    kill_every: float = 12.0
    whole: bool = True
    drain_seconds: float = 600.0
    hang_seconds: float = 30.0
    """Longer than a tick waits for an answer (20 s), so that it is the tick that gives up."""


@dataclass
class Outcome:
    """What a run found; `wrong` is empty when all is well."""

    wrong: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    waves: int = 0
    slots: int = 0
    seconds: float = 0.0
    drain_rounds: int = 0


def run(folder: Path, wanted: Wanted, say: Callable[[str], None]) -> Outcome:
    """Start everything, let it storm, and judge."""
    began = time.monotonic()
    with opened(
        folder, wanted.rules, wanted.seed, hang_seconds=wanted.hang_seconds, whole=wanted.whole
    ) as stage:
        going = _Going(stage, wanted, say, folder)
        say(f"{wanted.rules:,} rules, {len(stage.given.series):,} series, seed {wanted.seed}")
        going.waves()
        going.drain()
        return going.judge(time.monotonic() - began)


class _Going:
    def __init__(self, stage: Stage, wanted: Wanted, say: Callable[[str], None], folder: Path) -> None:
        self.stage, self.wanted, self.say, self.folder = stage, wanted, say, folder
        self.storm = Storm(stage, wanted.seed, wanted.kill_every)
        self.time = Time(stage.servers.mariadb.access, "soak")
        self.outcome = Outcome()
        self.pool = ThreadPoolExecutor(4)

    # ------------------------------------------------------------------ waves

    def waves(self) -> None:
        """Storm until it is enough."""
        began = time.monotonic()
        first = self.stage.given.waves[0]
        self._slot(first, first.first, [])
        self.storm.stir()
        for number in range(1, self.wanted.waves + 1):
            last = number == self.wanted.waves or time.monotonic() - began > self.wanted.seconds
            share = _STORM_SHARE if number == 2 else self.storm.dice.choice(_SHARES)
            self._wave(self.stage.given.next_wave(share), last=last)
            self.outcome.waves = number
            if last:
                return
            if number % SETTLE_EVERY == 0:
                self.storm.calm()
                self._settle()
                self.time.passes(_MINUTE)
                self.storm.stir()

    def _wave(self, wave: Wave, *, last: bool) -> None:
        self.storm.redis_is_back()
        disturbed = wave.slots - CALM_SLOTS
        troubles = [*self.storm.deal(self.wanted.troubles), *(self.storm.spared if last else [])]
        plan: dict[int, list[str]] = {}
        for name in dict.fromkeys(troubles):
            # What changes is told after the first slot of a wave.
            slot = 0 if name in SENDERS else self.storm.dice.randrange(disturbed)
            plan.setdefault(slot, []).append(name)
        for number in range(wave.slots):
            if number == disturbed:
                self.storm.heal()
                if last:
                    self.storm.kill_the_spared()
            taken = self._slot(wave, wave.first + number, plan.get(number, []))
            if number >= disturbed and not taken:
                self.outcome.wrong.append(f"the undisturbed tick of slot {wave.first + number} was not taken")
        self.say(self._line(wave, troubles))

    def _slot(self, wave: Wave, slot: int, troubles: list[str]) -> bool:
        """Write the slot's points and tick; whether the tick was taken."""
        given, stack = self.stage.given, self.stage.stack
        stack.wait_for(lambda: stack.broker_holds < MOST_HELD, 60)
        self.stage.servers.write(given.lines(wave, slot))
        happening = [self.pool.submit(self.storm.brew(name)) for name in troubles]
        taken = stack.tick("tick", 120, at=given.time_of(slot) / 1000)
        for one in happening:
            one.result(90)
        if troubles:
            self.stage.servers.influxdb_is_well()
        self.time.slot_passes(STEP // 1000)
        self.stage.servers.door.requests.clear()
        return taken

    def _line(self, wave: Wave, troubles: list[str]) -> str:
        told = self.stage.receivers
        return (
            f"wave {len(self.stage.given.waves) - 1}: slots {wave.first} to {wave.first + wave.slots - 1}, "
            f"{len(wave.breaching):,} breach; {', '.join(troubles)}; told {len(told.webhook):,} webhook, "
            f"{len(told.pagerduty):,} pagerduty, {len(told.crowd) + len(told.people):,} slack; "
            f"{len(self.storm.deaths)} killed so far"
        )

    # ------------------------------------------------------------------ quiet

    def _settle(self) -> bool:
        """Wait until nobody is at work; False when that takes too long."""
        stack = self.stage.stack
        # Asked twice: somebody may have begun since the Broker was asked.
        if stack.wait_for(
            lambda: not stack.broker_holds and not self.stage.busy() and not stack.broker_holds,
            SETTLE_SECONDS,
        ):
            return True
        self.outcome.wrong.append(
            f"nobody rests after {SETTLE_SECONDS:g} s: the Broker holds {self.stage.stack.broker_holds}, "
            f"at work are {', '.join(self.stage.busy()) or 'none'}"
        )
        return False

    def drain(self) -> None:
        """Without any trouble, until nothing is open; time jumps to whatever is due next."""
        self.storm.calm()
        self.storm.heal_all()
        for name in self.stage.stack.pids:
            self.stage.stack.wait_ready(name, 60)
        given = self.stage.given
        deadline = time.monotonic() + self.wanted.drain_seconds
        while self._settle():
            wait = self.time.next_due()
            if wait is None:
                break
            if time.monotonic() > deadline:
                self.outcome.wrong.append(f"{self.time.open_deliveries()} deliveries are still open")
                break
            self.time.passes(wait + 1)
            given.longer()
            if not self._slot(given.waves[-1], given.slots - 1, []):
                self.outcome.wrong.append(f"the undisturbed tick of slot {given.slots - 1} was not taken")
            self.outcome.drain_rounds += 1
        self.say(f"quiet after {self.outcome.drain_rounds} slots without trouble")

    def judge(self, seconds: float) -> Outcome:
        """Compare what was told with what was true."""
        told, given, deaths = self.stage.receivers, self.stage.given, self.storm.deaths
        found = self.outcome
        found.verdicts = {
            "webhook": judge_program("webhook", told.webhook, deaths, given),
            "pagerduty": judge_program("pagerduty", told.pagerduty, deaths, given),
            "slack people": judge_people(told.people, deaths, self.stage.people, given),
            "slack crowd": judge_crowd(told.crowd, given),
        }
        for verdict in found.verdicts.values():
            found.wrong += verdict.wrong
        found.wrong += [f"a receiver could not read {text}" for text in told.unreadable]
        counted = self.stage.stack.journal.counts
        events = {f"event {what}": counted[what] for what in ("dropped", "duplicated", "reordered")}
        found.faults = self.storm.counts + Counter(events)
        found.slots, found.seconds = given.slots, seconds
        self._keep()
        return found

    def _keep(self) -> None:
        """Write down what arrived and who died, one JSON object a line, for whoever looks for the reason."""
        told = self.stage.receivers
        everything: list[Told | Said | Counted | Death] = [
            *told.webhook,
            *told.pagerduty,
            *told.people,
            *told.crowd,
            *self.storm.deaths,
        ]
        lines = (
            json.dumps({"is": type(one).__name__, **asdict(one)}, default=sorted)
            for one in sorted(everything, key=lambda one: one.at)
        )
        (self.folder / "told.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
