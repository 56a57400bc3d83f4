"""Every exception that Tocsin raises on purpose, and the redaction that keeps secrets out of their texts.

    TocsinError
    ├── InvalidInput        somebody gave a value that can't be used (CLI error, tool error, 422)
    ├── NotFound            the id or name names nothing in this tenant
    ├── Conflict            the row changed since it was read
    ├── Unavailable         a server that is needed doesn't answer (503, try again)
    │   └── NotMigrated     the database has no tables yet, or older ones (503 until it is migrated)
    ├── InProgress          another process holds a live lease on the same work (409, try again)
    ├── TokenRefused        an access token that doesn't hold (401)
    ├── PoisonEvent         an event that can never be handled; it is recorded and acknowledged
    ├── Fenced              a newer tick took over; this one must stop and write nothing more
    ├── Unfinished          time was over before the work was; what is done stays done (503, go on)
    ├── ClocksDiffer        this machine's clock is far from the database's: nothing is removed by either
    ├── Refused             the database takes everything else, but not this row
    └── QueryFailed         the metric store answered a query with an error or a partial result
        └── NotNow         it gave no complete answer in time; asking again at once would only take more of it

An exception that is not in this tree is a bug and is left to surface.
"""

from urllib.parse import urlsplit


def redact_url(url: str) -> str:
    """The URL without password, query and fragment: safe for logs and error texts."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "<unreadable URL>"
    user = f"{parts.username}:***@" if parts.password else (f"{parts.username}@" if parts.username else "")
    # Not urlunsplit: it makes `sqlite:/file` of `sqlite:///file`.
    front = f"{parts.scheme}://" if parts.scheme else "//" if host else ""
    return f"{front}{user}{host}{port}{parts.path}"


class TocsinError(Exception):
    """Something that Tocsin expected could go wrong did."""


class InvalidInput(TocsinError):
    """A value that can't be used, or is missing (None): names field and value, what is valid, what to do next."""

    def __init__(self, field: str, value: object, valid: str, hint: str = "") -> None:
        self.field, self.value, self.valid, self.hint = field, value, valid, hint
        shown = repr(value)
        if len(shown) > 120:
            shown = shown[:117] + "..."
        what = f"{field} is missing" if value is None else f"{field}: {shown} is not valid"
        super().__init__(f"{what}; {valid}" + (f". {hint}" if hint else ""))


class NotFound(TocsinError):
    """The id or name names nothing here."""

    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        self.kind, self.name = kind, name
        super().__init__(f"{kind} {name!r} not found" + (f"; {hint}" if hint else ""))


class Conflict(TocsinError):
    """The row changed since it was read; read it again and repeat the change."""


class Unavailable(TocsinError):
    """A server that is needed doesn't answer."""

    def __init__(self, what: str, url: str, why: str, setting: str) -> None:
        self.what, self.setting = what, setting
        super().__init__(f"{what} at {redact_url(url)} can't be reached: {why}. It is set by {setting}")


class NotMigrated(Unavailable):
    """The database has no tables yet, or those of an older Tocsin: `tocsin migrate` brings them up to date."""

    def __init__(self, url: str, found: str, wanted: str) -> None:
        self.what, self.setting = "the database", "TOCSIN_DATABASE_URL"
        state = f"has the tables of an older Tocsin (revision {found})" if found else "has no tables yet"
        text = f"the database at {redact_url(url)} {state}, revision {wanted} is needed: run `tocsin migrate` first"
        TocsinError.__init__(self, text)


class InProgress(TocsinError):
    """Another process holds a live lease on this work; it will be repeated later."""


class TokenRefused(TocsinError):
    """An access token that doesn't hold: says why, and repeats nothing of it."""


class PoisonEvent(TocsinError):
    """An event that can never be handled, whoever tries and however often."""


class Fenced(TocsinError):
    """A newer tick took over this shard; this one writes nothing more."""


class Unfinished(TocsinError):
    """Time was over before all rows that may go were removed."""

    def __init__(self, removed: int) -> None:
        super().__init__(f"{removed} rows were removed in time; the rest goes with the next run")


class ClocksDiffer(TocsinError):
    """A clock is wrong, and nobody knows which."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"this machine's clock and the database's differ by {seconds} s; nothing was removed. "
            "Set the wrong one right, and run it again"
        )


class Refused(TocsinError):
    """The database refused a row: a value doesn't fit its column, or a key is taken. Repeating it changes nothing."""


class QueryFailed(TocsinError):
    """The metric store answered with an error, with part of the data, or not in time; carries its words."""


class NotNow(QueryFailed):
    """Asking the same, or a part of it, again at once would be in vain: too late, too busy, no right to ask."""
