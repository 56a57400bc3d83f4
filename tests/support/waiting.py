"""Waiting for a condition with a deadline: the only place in the tests that sleeps."""

import asyncio
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


async def until(condition: Callable[[], object], what: str, within: float = 10.0) -> None:
    """The same inside an event loop: return when `condition` is truthy; AssertionError naming `what` when too late."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {within:g} seconds")
        await asyncio.sleep(_STEP_SECONDS)


async def stays_true(condition: Callable[[], object], what: str, during: float) -> None:
    """Let `during` seconds pass, with AssertionError naming `what` as soon as `condition` is false.

    Only for what must never happen (no further attempt, no second message): nothing announces that it did not.
    """
    end = time.monotonic() + during
    while time.monotonic() < end:
        assert condition(), f"{what}: no longer true"
        await asyncio.sleep(_STEP_SECONDS)


def let_pass(seconds: float) -> None:
    """Let time pass before something goes wrong at a moment that was drawn by lot. Never in place of a condition."""
    time.sleep(seconds)
