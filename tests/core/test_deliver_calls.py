"""The calls of one message: all of them are made, the worst outcome is the message's."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from shared.channels._kind import Request
from shared.deliver.batches import MAX_ATTEMPTS
from shared.deliver.calls import CALLS_AT_ONCE, fingerprint, make
from shared.model import Outcome

DELIVERED = Outcome("delivered", status=202)
REFUSED = Outcome("rejected", "bad payload", "payload", status=400)
DEAD = Outcome("rejected", "bad key", "channel", status=403)
BUSY = Outcome("retry", "HTTP 429", retry_after=120.0, status=429)
LOST = Outcome("unknown", "timeout")


def message(count: int, then: str = "") -> Request:
    parts = [Request("dlv_1", str(number).encode()) for number in range(count)]
    after = Request("dlv_1", then.encode()) if then else None
    return Request("dlv_1", parts[0].body, also=tuple(parts[1:]), then=after)


def answering(outcomes: Mapping[str, Outcome], made: list[str]) -> Callable[[Request], Outcome]:
    def call(request: Request) -> Outcome:
        made.append(request.body.decode())
        return outcomes.get(request.body.decode(), DELIVERED)

    return call


def outcome_of(count: int, **outcomes: Outcome) -> Outcome:
    return make(message(count), answering({name[1:]: one for name, one in outcomes.items()}, []))


def test_every_call_is_made_once_and_a_few_at_a_time() -> None:
    made: list[str] = []
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(CALLS_AT_ONCE)

    def call(request: Request) -> Outcome:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            made.append(request.body.decode())
        if int(request.body) < CALLS_AT_ONCE:
            together.wait(5)
        with lock:
            running -= 1
        return DELIVERED

    assert make(message(100), call) == DELIVERED
    assert sorted(map(int, made)) == list(range(100))
    assert most == CALLS_AT_ONCE


@pytest.mark.parametrize(
    ("one", "other", "worst"),
    [
        (REFUSED, DELIVERED, "rejected"),
        (REFUSED, BUSY, "retry"),
        (LOST, REFUSED, "unknown"),
        (BUSY, LOST, "retry"),
        (DEAD, BUSY, "rejected"),
    ],
    ids=["refused", "busy and refused", "lost and refused", "busy and lost", "dead and busy"],
)
def test_the_worst_outcome_counts_and_says_how_many_were_taken(
    one: Outcome, other: Outcome, worst: str
) -> None:
    got = outcome_of(3, _0=one, _1=other)
    assert got.kind == worst
    assert "of 3 calls were taken)" in got.reason
    assert got.scope == ("channel" if DEAD in (one, other) else "payload")


def test_the_longest_wait_is_kept() -> None:
    assert outcome_of(3, _0=BUSY, _1=REFUSED).retry_after == 120.0


def test_no_further_call_is_begun_when_the_others_would_fare_no_better() -> None:
    made: list[str] = []
    make(message(100), answering({"0": BUSY}, made))
    assert "0" in made
    assert len(made) < 100
    made.clear()
    make(message(100), answering({"0": REFUSED}, made))
    assert len(made) == 100


def test_each_attempt_begins_a_share_further_on() -> None:
    begun = []
    for attempts in range(MAX_ATTEMPTS):
        made: list[str] = []
        make(message(100), answering({str(number): BUSY for number in range(100)}, made), attempts)
        begun.append(int(made[0]))
    assert begun == [0, 12, 25, 37, 50, 62, 75, 87]


def test_a_call_that_follows_another_is_made_once_that_was_taken() -> None:
    made: list[str] = []
    make(message(1, then="end"), answering({}, made))
    assert made == ["0", "end"]
    made.clear()
    assert make(message(1, then="end"), answering({"0": BUSY}, made)) == BUSY
    assert made == ["0"]


def test_a_chain_ends_at_the_first_call_that_was_not_taken() -> None:
    last = Request("dlv_1", b"2")
    chain = Request("dlv_1", b"0", then=Request("dlv_1", b"1", then=last))
    made: list[str] = []
    assert make(chain, answering({}, made)) == DELIVERED
    assert made == ["0", "1", "2"]
    made.clear()
    assert make(chain, answering({"1": BUSY}, made)) == BUSY
    assert made == ["0", "1"]
    assert len({fingerprint(one) for one in (chain, replace(chain, then=last), last)}) == 3


def test_the_fingerprint_is_of_all_bodies() -> None:
    assert fingerprint(message(1)) != fingerprint(message(2)) != fingerprint(message(3))
    assert fingerprint(message(1)) != fingerprint(message(1, then="end"))
