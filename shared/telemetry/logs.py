"""Logs as one JSON object per line, with the ids of what is worked on: bound once at an edge, on every line after.

Explicit fields of a line win over bound ones. The ids travel with the context of Python, so work that is handed to
other threads has to be `carried` there.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from types import MappingProxyType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_NOTHING: Mapping[str, object] = MappingProxyType({})
_BOUND: ContextVar[Mapping[str, object]] = ContextVar("tocsin_bound", default=_NOTHING)


@contextmanager
def bound(**ids: object) -> Iterator[None]:
    """Put these ids on every log line within the block, beside those that are bound already; none that is empty."""
    given = {name: value for name, value in ids.items() if value not in ("", None, [], ())}
    token = _BOUND.set({**_BOUND.get(), **given})
    try:
        yield
    finally:
        _BOUND.reset(token)


def carried(work: Callable[P, R]) -> Callable[P, R]:
    """The work, with the ids and the span of here wherever it is called, also several times at once."""
    here = copy_context()

    def there(*args: P.args, **kwargs: P.kwargs) -> R:
        return here.copy().run(work, *args, **kwargs)

    return there


def log_json(function: str, trace_ids: Callable[[], Mapping[str, str]]) -> None:
    """Log one JSON object per line to standard output, where the platform collects it."""
    from pythonjsonlogger.json import JsonFormatter

    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_Ids(trace_ids))
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level"},
            static_fields={"function": function, "revision": os.environ.get("K_REVISION", "")},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(os.environ.get("TOCSIN_LOG_LEVEL", "INFO"))
    # httpx logs whole URLs at INFO, and a channel's URL is its secret.
    for noisy in ("httpx", "httpcore", "urllib3", "alembic", "mcp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _Ids(logging.Filter):
    """Adds what is bound to each record, and the ids of its trace and span."""

    def __init__(self, trace_ids: Callable[[], Mapping[str, str]]) -> None:
        super().__init__()
        self._trace_ids = trace_ids

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in {**_BOUND.get(), **self._trace_ids()}.items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True
