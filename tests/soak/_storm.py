"""What goes wrong with the servers and with evaluate, dealt from a shuffled deck so that each comes before any again.

What goes wrong with events and with the other functions is the stack's own doing (knative.local.faults).
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import redis

from knative.local.errors import LocalError
from knative.local.faults import Faults, Kill
from knative.local.journal import Note
from tests.soak._oracle import EVERYBODY, Death
from tests.soak._stage import KINDS, Stage
from tests.soak._told import REPEAT
from tests.support.waiting import let_pass

BLINDING = ("evaluate killed", "MariaDB restarted", "InfluxDB errs", "InfluxDB hangs", "InfluxDB breaks off")
"""A slot with one of these may not be evaluated."""
HARMLESS = ("Redis flushed", "Redis restarted", "Redis gone", "Broker away")
ARRIVED, LOST = "senders die unanswered", "senders die unheard"
"""The next sender of each kind is killed when its request arrived and before the answer, or before it is taken."""
SENDERS = (ARRIVED, LOST)
EVERY = (*BLINDING, *HARMLESS, *SENDERS)
_MOMENT = 0.6
"""Something that happens during a tick does so within so many seconds of its beginning."""
_BACK = (0.2, 1.0)
"""Seconds for which MariaDB and the Broker are away."""


@dataclass
class Storm:
    """All troubles of one run; `counts` are those that happened."""

    stage: Stage
    seed: int
    kill_every: float
    deaths: list[Death] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.dice = random.Random(f"storm {self.seed}")
        self._deck: list[str] = []
        self._lock = threading.Lock()
        self._redis_is_gone = False
        self._stirred = 0
        self._marked: dict[str, list[str]] = {}
        self.stage.receivers.ahead = self._meet
        self.functions = sorted(set(self.stage.stack.pids) - {"evaluate"})
        self.stage.stack.journal.listen(self._hear)

    def _hear(self, note: Note) -> None:
        if note.who == "faults" and "killed on purpose" in note.text:
            self._died(note.text.partition(":")[0])

    def _died(self, who: str) -> None:
        with self._lock:
            self.deaths.append(Death(time.monotonic(), who))
            self.counts[f"{who} killed"] += 1

    # ------------------------------------------------------------------ events and functions

    def stir(self) -> None:
        """From now on events are lost, doubled and overtaken, and every function but evaluate is killed at random."""
        self._stirred += 1
        kills = tuple(Kill(name, self.kill_every) for name in self.functions)
        seed = self.seed * 1000 + self._stirred
        self.stage.stack.inject(Faults(drop=0.05, duplicate=0.1, reorder=0.1, kills=kills, seed=seed))

    def calm(self) -> None:
        """Events go their way, and functions live."""
        self.stage.stack.inject(Faults())

    def kill_the_spared(self) -> None:
        """The functions that the dice have not chosen so far."""
        for name in self.functions:
            if not self.counts[f"{name} killed"]:
                self.stage.stack.replace(name)

    # ------------------------------------------------------------------ servers and evaluate

    def deal(self, count: int) -> list[str]:
        """The next troubles."""
        while len(self._deck) < count:
            fresh = list(EVERY)
            self.dice.shuffle(fresh)
            self._deck += fresh
        dealt, self._deck = self._deck[:count], self._deck[count:]
        return dealt

    @property
    def spared(self) -> list[str]:
        """The troubles that have not come so far."""
        return [name for name in EVERY if not self.counts[name]]

    def brew(self, name: str) -> Callable[[], None]:
        """What is to run beside the tick. Its moment is drawn now: threads can't change the order of draws."""
        moment, away = self.dice.uniform(0, _MOMENT), self.dice.uniform(*_BACK)
        actions: dict[str, Callable[[], None]] = {
            "evaluate killed": self._kill_evaluate,
            "MariaDB restarted": lambda: self._restart_mariadb(away),
            "InfluxDB errs": self.stage.servers.influxdb_errs,
            "InfluxDB hangs": self.stage.servers.influxdb_hangs,
            "InfluxDB breaks off": self.stage.servers.influxdb_breaks_off,
            "Redis flushed": self._flush_redis,
            "Redis restarted": self._restart_redis,
            "Redis gone": self._end_redis,
            "Broker away": lambda: self._broker_away(away),
            ARRIVED: lambda: self._mark_senders(ARRIVED),
            LOST: lambda: self._mark_senders(LOST),
        }
        action = actions[name]
        # Else the tick's only query, or its messages, may have passed already.
        at_once = name.startswith("InfluxDB") or name in SENDERS

        def happen() -> None:
            if not at_once:
                let_pass(moment)
            if name != "evaluate killed" and name not in SENDERS:  # deaths are counted when they happen
                with self._lock:
                    self.counts[name] += 1
            action()

        return happen

    def heal(self) -> None:
        """What may keep evaluate from its work is well again. Redis may stay away."""
        self.stage.servers.influxdb_is_well()
        self.stage.stack.wait_ready("evaluate", 60)

    def heal_all(self) -> None:
        """Everything is well again."""
        self.heal()
        self.redis_is_back()

    def redis_is_back(self) -> None:
        """Redis runs, empty."""
        if self._redis_is_gone:
            self.stage.servers.redis.start()
            self._redis_is_gone = False

    def _kill_evaluate(self) -> None:
        with suppress(LocalError):  # it is dead already: its successor has not started yet
            self.stage.stack.replace("evaluate")

    def _restart_mariadb(self, away: float) -> None:
        self.stage.servers.mariadb.kill()
        self._died(EVERYBODY)
        let_pass(away)
        self.stage.servers.mariadb.start()
        # Whoever sent while it was away could not record that either.
        with self._lock:
            self.deaths.append(Death(time.monotonic(), EVERYBODY))

    def _mark_senders(self, how: str) -> None:
        with self._lock:
            for kind in KINDS:
                self._marked.setdefault(kind, []).append(how)

    def _meet(self, kind: str, body: str) -> bool:
        """Kill a marked sender; True when its request never arrived. People are told a message twice at the most, so
        one that repeats is left alone."""
        with self._lock:
            if not self._marked.get(kind) or REPEAT in body:
                return False
            how = self._marked[kind].pop(0)
            self.counts[how] += 1
        with suppress(LocalError):  # somebody else has killed it since its request left
            self.stage.stack.replace(f"notify-{kind}")
        return how == LOST

    def _flush_redis(self) -> None:
        if not self._redis_is_gone:
            with redis.Redis.from_url(self.stage.servers.redis.url, socket_timeout=5) as client:
                client.flushall()

    def _restart_redis(self) -> None:
        self._end_redis()
        self.redis_is_back()

    def _end_redis(self) -> None:
        if not self._redis_is_gone:
            self._redis_is_gone = True
            self.stage.servers.redis.kill()

    def _broker_away(self, away: float) -> None:
        self.stage.stack.broker_leaves()
        let_pass(away)
        self.stage.stack.broker_comes_back()
