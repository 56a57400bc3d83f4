"""Where monitors' points are kept: one port, chosen by URL. An adapter is imported only when its URL asks for it.

Every store answers the same columns (`shared.columns`) for the same line protocol. Nothing here decides about
alerts, and nothing but `open_metrics` knows which adapters exist.
"""

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from shared.columns import AggregateQuery, Discovered, Partials, SampleQuery, Samples
from shared.errors import InvalidInput, redact_url

SETTING = "TOCSIN_METRICS_URL"
VALID_URLS = (
    "valid are embedded:///FILE, influxql+http://[USER:PASSWORD@]HOST:8086/DATABASE[?rp=POLICY], "
    "flux+http://HOST:8086/BUCKET?org=ORG, and both with +https"
)


class MetricStore(Protocol):
    """A store of points. Safe for several threads."""

    @property
    def reduces(self) -> bool:
        """Whether it is to be asked for `aggregate`, and may be asked for parts of a window in place of the whole."""
        ...

    def read(self, query: SampleQuery, timeout_seconds: float) -> Samples:
        """All rows of one measurement in `[start, stop)` that have one of the fields, oldest first.

        Without fields, rows that have any. Raises Unavailable when nobody answers, and QueryFailed for an error,
        a part of the answer, or one that is not complete after `timeout_seconds`.
        """
        ...

    def aggregate(self, query: AggregateQuery, timeout_seconds: float) -> Partials:
        """The parts, reduced by the store. Values as `read` has them; sums are made of floats.

        Raises as `read`, and QueryFailed in a store that doesn't reduce. One that can't take `sum`, `min` or `max` of a
        field that holds booleans or texts raises QueryFailed or answers no rows of that part: `latest` of the same span
        says what the field holds.
        """
        ...

    def discover(self, database: str = "", measurement: str | None = None) -> list[Discovered]:
        """What is there: every measurement, or one, with tag keys, a few values of each, and fields with types."""
        ...

    def write(self, lines: bytes, database: str = "", precision: str = "ns") -> int:
        """Keep points in line protocol (UTF-8) and return how many; `precision` is the unit of their timestamps.

        Raises InvalidInput with the number of the first bad line.
        """
        ...

    def ping(self, timeout_seconds: float) -> None:
        """Raise Unavailable unless the store can be reached."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def open_metrics(url: str, token: str = "", state_dir: Path = Path(), setting: str = SETTING) -> MetricStore:
    """The store that `url` names; relative files of the embedded store live in `state_dir`. Doesn't connect.

    `setting` is what errors name as the place where the URL was given.
    """
    scheme = urlsplit(url).scheme
    if scheme == "embedded":
        from shared.metrics.embedded import EmbeddedStore

        return EmbeddedStore.of_url(url, state_dir, setting)
    if scheme in ("influxql+http", "influxql+https"):
        from shared.metrics.influxql import InfluxqlStore

        return InfluxqlStore.of_url(url, token, setting)
    if scheme in ("flux+http", "flux+https"):
        from shared.metrics.flux import FluxStore

        return FluxStore.of_url(url, token, setting)
    raise InvalidInput(setting, redact_url(url), VALID_URLS)
