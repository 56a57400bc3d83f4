"""An application behind functions-framework is started once for each event loop, whoever asks first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.applications import Starlette

from shared.asgi import Lifespan


class Started:
    """Makes applications, and counts their starts and ends. The first `failing` starts fail."""

    def __init__(self, failing: int = 0) -> None:
        self.starts, self._failing = 0, failing
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    def make(self) -> Starlette:
        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            self.starts += 1
            self.begun.set()
            await self.go_on.wait()
            if self.starts <= self._failing:
                raise RuntimeError("the first start fails")
            yield

        return Starlette(lifespan=lifespan)


def test_many_first_requests_start_it_once() -> None:
    started = Started()
    lifespan = Lifespan(started.make)

    async def work() -> set[int]:
        return {id(app) for app in await asyncio.gather(*(lifespan.app() for _ in range(20)))}

    assert len(asyncio.run(work())) == 1
    assert started.starts == 1


def test_a_first_request_that_is_given_up_does_not_end_the_start_for_others() -> None:
    started = Started()
    lifespan = Lifespan(started.make)

    async def work() -> None:
        started.go_on.clear()
        first = asyncio.create_task(lifespan.app())
        await started.begun.wait()
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        started.go_on.set()
        await lifespan.app()

    asyncio.run(work())
    assert started.starts == 1


def test_a_start_that_failed_is_tried_again() -> None:
    started = Started(failing=1)
    lifespan = Lifespan(started.make)

    async def work() -> None:
        with pytest.raises(RuntimeError, match="the first start fails"):
            await lifespan.app()
        await lifespan.app()

    asyncio.run(work())
    assert started.starts == 2


def test_another_loop_gets_another_application_and_the_one_made_before_is_used_once() -> None:
    started = Started()
    made = started.make()
    lifespan = Lifespan(started.make, made)

    async def work() -> Starlette:
        return await lifespan.app()

    assert asyncio.run(work()) is made
    assert asyncio.run(work()) is not made
    assert started.starts == 2
