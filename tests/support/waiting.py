"""Waiting for a condition with a deadline: the only place in the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_STEP_SECONDS = 0.01


def wait_until(condition: Callable[[], T], what: str, within: float = 10.0) -> T:
    """The first truthy value of `condition`, asked again and again for `within` seconds.

    Raises AssertionError naming `what` when the deadline passes. `condition` may itself raise to stop at once.
    """
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {within:g} seconds; last seen: {value!r}")
        time.sleep(_STEP_SECONDS)
