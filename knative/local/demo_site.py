"""A web site that goes down and comes back, so that the HTTP monitor has something to notice within a minute.

Must not be more than that: one page, and `POST /down`, `/up` and `/cycle` to take the cycle's place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Demo site: {word}</title>
<style>:root{{color-scheme:light dark}}
body{{font:1.1rem/1.5 system-ui,sans-serif;display:grid;place-content:center;min-height:90vh;text-align:center;
padding:0 1rem}}button{{font:inherit;margin:.3rem;padding:.3rem .8rem}}</style>
<h1>{mark} This site is {word}</h1><p>{next}</p><p>It is here to give the HTTP monitor something to notice.</p>
<form method="post"><button formaction="/down">Take it down</button><button formaction="/up">Bring it up</button>
<button formaction="/cycle">Back to its cycle</button></form></html>"""


@dataclass(frozen=True)
class Cycle:
    """When the site is down by itself, in seconds: from `first_down` to `first_up` after its start, and after that for
    `down_seconds` at the beginning of every `every_seconds`. 0 leaves a part out.
    """

    first_down: float = 20.0
    first_up: float = 45.0
    every_seconds: float = 600.0
    down_seconds: float = 60.0

    def down_at(self, age: float) -> bool:
        """Whether the site is down `age` seconds after its start."""
        if self.first_down <= age < self.first_up:
            return True
        if not self.every_seconds or age < max(self.first_up, self.every_seconds):
            return False
        return age % self.every_seconds < self.down_seconds

    def next_change(self, age: float) -> float | None:
        """Seconds from `age` to the next change; None when there is none."""
        edges = [self.first_down, self.first_up]
        if self.every_seconds:
            start = age // self.every_seconds * self.every_seconds
            edges += [start + self.down_seconds, start + self.every_seconds]
            edges.append(start + self.every_seconds + self.down_seconds)
        later = sorted(edge for edge in edges if edge > age and self.down_at(edge) != self.down_at(age))
        return later[0] - age if later else None


class DemoSite:
    """The site; `clock` gives seconds, and the site's life begins when `start` is called."""

    def __init__(self, cycle: Cycle, clock: Callable[[], float]) -> None:
        self._cycle, self._clock, self._born = cycle, clock, clock()
        self._forced: bool | None = None
        routes = [Route("/", self._page), Route("/status", self._status)]
        changes: list[tuple[str, bool | None]] = [("/down", True), ("/up", False), ("/cycle", None)]
        routes += [Route(path, self._change(value), methods=["POST"]) for path, value in changes]
        self.app = Starlette(routes=routes)

    def start(self) -> None:
        """Begin the cycle now."""
        self._born = self._clock()

    @property
    def down(self) -> bool:
        """Whether the site answers 503 now."""
        return self._cycle.down_at(self._age()) if self._forced is None else self._forced

    def _age(self) -> float:
        return self._clock() - self._born

    async def _page(self, request: Request) -> Response:
        mark, word = ("❌", "down") if self.down else ("✅", "up")
        html = _PAGE.format(mark=mark, word=word, next=self._outlook())
        return HTMLResponse(html, 503 if self.down else 200, {"Cache-Control": "no-store"})

    def _outlook(self) -> str:
        if self._forced is not None:
            return "It was set by hand, and stays so until somebody changes it."
        change = self._cycle.next_change(self._age())
        if change is None:
            return "It stays so."
        return f"It {'comes back' if self.down else 'goes down'} by itself in {change:.0f} s."

    async def _status(self, request: Request) -> Response:
        return JSONResponse({"down": self.down, "by_hand": self._forced is not None})

    def _change(self, forced: bool | None) -> Callable[[Request], object]:
        async def change(request: Request) -> Response:
            self._forced = forced
            return Response(status_code=303, headers={"Location": "/"})

        return change
