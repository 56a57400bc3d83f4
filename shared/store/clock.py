"""The database's clock as a part of a statement: epoch milliseconds, without a round trip of its own."""

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class now_ms(FunctionElement[int]):  # noqa: N801 (it is used like a function of SQL)
    """The moment at which the statement began."""

    type = BigInteger()
    inherit_cache = True


@compiles(now_ms, "sqlite")
def _sqlite(_element: now_ms, _compiler: Any, **_: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@compiles(now_ms)
def _mysql(_element: now_ms, _compiler: Any, **_: Any) -> str:
    # Not UNIX_TIMESTAMP(NOW(3)): when a server's own zone sets its clocks back, that jumps by an hour.
    return "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)"
