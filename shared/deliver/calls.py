"""Makes all the calls of one message: side by side, a few at a time. The worst outcome is the message's.

Knows no vendor and no database. After an outcome that the other calls would share, no further one is begun.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from shared.channels._kind import Request
from shared.deliver.batches import MAX_ATTEMPTS
from shared.model import Outcome
from shared.telemetry import carried

CALLS_AT_ONCE = 8

_GOOD = ("delivered", "accepted")


def make(request: Request, call: Callable[[Request], Outcome], attempts: int = 0) -> Outcome:
    """What came of `call` for the request and all that belong to it.

    `attempts`: how many there were before. Each begins a share further on, so that a vendor that takes only some calls
    at a time is not given the same ones every time.
    """
    if not request.also:
        return _chain(request, call)
    parts = (request, *request.also)
    start = attempts % MAX_ATTEMPTS * len(parts) // MAX_ATTEMPTS
    stopped: list[Outcome] = []

    def one(part: Request) -> Outcome | None:
        if stopped:
            return None
        outcome = _chain(part, call)
        if _is_shared(outcome):
            stopped.append(outcome)
        return outcome

    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        made = [
            outcome
            for outcome in pool.map(carried(one), parts[start:] + parts[:start])
            if outcome is not None
        ]
    return _together(made, len(parts))


def fingerprint(request: Request) -> str:
    """Changes when any of the message's bodies does."""
    if not request.also and request.then is None:
        return hashlib.sha256(request.body).hexdigest()
    return hashlib.sha256(b"\0".join(_bodies(request))).hexdigest()


def _bodies(request: Request) -> list[bytes]:
    return [one.body for part in (request, *request.also) for one in _steps(part)]


def _steps(part: Request | None) -> Iterator[Request]:
    while part is not None:
        yield part
        part = part.then


def _chain(request: Request, call: Callable[[Request], Outcome]) -> Outcome:
    """Each call is made once the one before it was taken."""
    outcome = call(request)
    for step in _steps(request.then):
        if outcome.kind not in _GOOD:
            break
        outcome = call(step)
    return outcome


def _is_shared(outcome: Outcome) -> bool:
    """Whether the next call would fare no better: its vendor is away or busy, or wants none of them."""
    return outcome.kind in ("retry", "unknown") or (outcome.kind == "rejected" and outcome.scope == "channel")


def _rank(outcome: Outcome) -> int:
    """A dead channel first; then what another attempt may mend, before what none will."""
    if outcome.kind == "rejected":
        return 5 if outcome.scope == "channel" else 2
    return {"retry": 4, "unknown": 3, "accepted": 1, "delivered": 0}[outcome.kind]


def _together(made: Sequence[Outcome], wanted: int) -> Outcome:
    worst = max(made, key=_rank)
    good = sum(outcome.kind in _GOOD for outcome in made)
    if good == wanted:
        return worst
    longest = max((outcome.retry_after or 0.0 for outcome in made), default=0.0)
    said = f"{worst.reason} ({good} of {wanted} calls were taken)"
    return replace(worst, reason=said, retry_after=longest or worst.retry_after)
