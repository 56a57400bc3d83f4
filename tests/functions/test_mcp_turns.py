"""How many calls one caller may make: exactly so many, and nobody else's."""

from hypothesis import given
from hypothesis import strategies as st

from shared.conversation.turns import Turns


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_all_at_once_then_one_after_the_other() -> None:
    clock = Clock()
    turns = Turns(300, clock)

    assert [turns.take("ann") for _ in range(300)] == [0.0] * 300
    assert round(turns.take("ann"), 6) == 0.2
    assert round(turns.take("ann"), 6) == 0.2, "a refusal costs nothing"
    assert turns.take("bob") == 0.0
    clock.now += 0.2
    assert turns.take("ann") == 0.0
    assert turns.take("ann") > 0
    clock.now += 60
    assert [turns.take("ann") for _ in range(300)] == [0.0] * 300


@given(st.lists(st.floats(0, 5), max_size=200))
def test_no_minute_has_more_than_twice_the_limit_and_waiting_as_told_always_helps(
    pauses: list[float],
) -> None:
    clock, taken = Clock(), list[float]()
    turns = Turns(10, clock)
    for pause in pauses:
        clock.now += pause
        wait = turns.take("ann")
        if wait:
            clock.now += wait
            assert turns.take("ann") == 0.0
        taken.append(clock.now)

    assert max((sum(0 <= one - begin < 60 for one in taken) for begin in taken), default=0) <= 20


def test_callers_that_have_paid_off_are_forgotten() -> None:
    clock = Clock()
    turns = Turns(300, clock)
    for number in range(30_000):
        turns.take(str(number))
        clock.now += 0.001

    assert len(turns) <= 10_001
