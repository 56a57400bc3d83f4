"""The readings of one rule on one monitor, from series as data; and how to look at them."""

from collections.abc import Mapping
from typing import Any

from shared.model import Reading
from shared.readings import Readings
from shared.series import series_key
from tests.support.series import EPOCH, STEP, book, monitor_row, read, rows, rule_row

STOP = EPOCH + 10 * STEP


def look(
    series: Mapping[str, str],
    condition: Any = "usage > 80",
    *,
    stop: int = STOP,
    extra: list[Any] | None = None,
    **monitor: Any,
) -> Readings:
    """The readings of one rule on one monitor, on these series."""
    group = book([monitor_row(**monitor)], [rule_row(condition=condition)]).groups[0]
    return read(group, [*rows(series), *(extra or [])], stop)


def seen(readings: Readings) -> dict[str, Reading]:
    """Series key → reading."""
    return {readings.key(i): readings.reading(i) for i in range(len(readings))}


def of(host: str) -> str:
    """The key of a host's series."""
    return series_key("mon_m", [("host", host)])


def one(series: Mapping[str, str], condition: Any = "usage > 80", **options: Any) -> Reading:
    """The only reading there is."""
    (reading,) = seen(look(series, condition, **options)).values()
    return reading
