"""The page behind an acknowledge link: GET shows what fires, POST acknowledges it. No JavaScript, no cookies.
Beside it, the picture behind a chart's link, which can do no more than be looked at.

Whatever opens links by itself (previews, scanners of mail) changes nothing. Knows no web framework. The link is a
secret: it is in no log and no error, and the page sends it to nobody.
"""

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

from shared import ack_links, manage
from shared.ack_links import BadLink, Named, OldLink
from shared.ack_page._chart import chart_png
from shared.channels._text import clean, moment
from shared.errors import InvalidInput, NotFound, TocsinError
from shared.leases import Leases
from shared.manage.acks import LONGEST_NAME, LONGEST_NOTE
from shared.model import Millis, Severity
from shared.series import series_text
from shared.store.listing import AlertRow

if TYPE_CHECKING:
    from jinja2 import Template

MAX_BODY_BYTES = 16 * 1024
"""A note of 1,000 characters is 12 KB at the most in a form."""
SHOWN = 100
PER_MINUTE = 60
"""Requests about one notification: more than a team that looks at it together makes."""
_PATH = re.compile(rf"{ack_links.PATH}([A-Za-z0-9_-]{{1,{ack_links.LONGEST_TOKEN}}})$")
_CHART = re.compile(
    rf"{ack_links.CHART_PATH}([A-Za-z0-9_+/-]{{1,64}})/([A-Za-z0-9_-]{{1,{ack_links.LONGEST_TOKEN}}})\.png$"
)
log = logging.getLogger("tocsin.ack")
_NOBODY = "someone with the link"


class Ports(manage.Ports, Protocol):
    """What the page needs."""

    @property
    def link_keys(self) -> Mapping[str, bytes]: ...
    @property
    def leases(self) -> Leases: ...


@dataclass(frozen=True, slots=True)
class Request:
    """What a browser sent; `length` None: it doesn't say."""

    method: str
    path: str
    length: int | None
    stream: IO[bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say."""

    status: HTTPStatus
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class _Refused(Exception):
    """The request ends here, with this status and these words."""

    def __init__(self, status: HTTPStatus, heading: str, words: str, **headers: str) -> None:
        self.status, self.heading, self.words, self.headers = status, heading, words, headers
        super().__init__(heading)


def answer(request: Request, ports: Ports, now: Millis) -> Answer:
    """The page, or why there is none; always safe to show to anybody."""
    try:
        return _answered(request, ports, now)
    except _Refused as refused:
        more = {name.replace("_", "-"): value for name, value in refused.headers.items()}
        return _page(refused.status, heading=refused.heading, words=refused.words, more=more)
    except TocsinError as error:
        log.warning("an acknowledgement failed: %s", error)
        words = "Nothing was changed. Please try again in a moment."
        more = {"Retry-After": "5"}
        return _page(HTTPStatus.SERVICE_UNAVAILABLE, heading="Not at the moment", words=words, more=more)


def _answered(request: Request, ports: Ports, now: Millis) -> Answer:
    found = _PATH.search(request.path)
    chart = _CHART.search(request.path)
    if chart is not None and request.method in ("GET", "HEAD"):
        return _picture(_named(chart[2], ports, now, chart=True), chart[1], ports)
    if found is None:
        raise _Refused(
            HTTPStatus.NOT_FOUND, "There is nothing here", "Please open the whole link of a message."
        )
    if request.method not in ("GET", "HEAD", "POST"):
        words = "This page can be opened, and its form can be sent."
        raise _Refused(
            HTTPStatus.METHOD_NOT_ALLOWED, "That can't be done here", words, Allow="GET, HEAD, POST"
        )
    named = _named(found[1], ports, now)
    _limit(ports, named)
    try:
        if request.method == "POST":
            form = _form(request)
            manage.acknowledge_notification(
                ports,
                named.notification_id,
                by=form["by"] or _NOBODY,
                note=form["note"],
                actor="link",
                now=now,
            )
            # Relative, so that it holds behind a proxy that shows this page below another path.
            return Answer(HTTPStatus.SEE_OTHER, headers={**_headers(), "Location": found[1]})
        return _shown(manage.acknowledgeable(ports, named.notification_id), named)
    except InvalidInput as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, "That is too long", f"{error.field}: {error.valid}") from None
    except NotFound:
        words = "What this link is about is not kept any more."
        raise _Refused(HTTPStatus.NOT_FOUND, "This is too long ago", words) from None


def _picture(named: Named, zone: str, ports: Ports) -> Answer:
    """The chart of a notification: what vendors fetch who take no pictures in messages. It acknowledges nothing."""
    _limit(ports, named)
    png = chart_png(ports, named.notification_id, zone)
    if png is None:
        raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing here", "There is no chart of this.")
    kept = {"Cache-Control": "private, max-age=86400", "Content-Type": "image/png"}
    return Answer(HTTPStatus.OK, png, {**_headers(), **kept})


def _named(token: str, ports: Ports, now: Millis, *, chart: bool = False) -> Named:
    try:
        named = ack_links.read(token, ports.link_keys, now, chart=chart)
    except OldLink:
        words = "Links in messages work for a few days. If it still fires, a newer message has a newer link."
        raise _Refused(HTTPStatus.GONE, "This link is too old", words) from None
    except BadLink:
        words = "It may have been cut or changed on the way. Please open the whole link of the message."
        raise _Refused(HTTPStatus.FORBIDDEN, "This link is not valid", words) from None
    if named.tenant != ports.settings.tenant:
        raise _Refused(HTTPStatus.FORBIDDEN, "This link is not valid", "It belongs to another Tocsin.")
    return named


def _limit(ports: Ports, named: Named) -> None:
    """Only what has a valid link costs the database anything; without Redis, the Service's bounds are the limit."""
    wait_ms = ports.leases.take(f"ack:{named.notification_id}", PER_MINUTE, 60_000)
    if wait_ms:
        seconds = str(-(-wait_ms // 1000))
        words = f"This link was opened very often. Please try again in {seconds} seconds."
        raise _Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too often", words, Retry_After=seconds)


def _form(request: Request) -> dict[str, str]:
    if request.length is not None and request.length > MAX_BODY_BYTES:
        raise _too_large()
    body = request.stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    try:
        given = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        given = {}
    lines = given.get("note", [""])[0].splitlines()
    return {
        "by": clean(given.get("by", [""])[0]),
        "note": "\n".join(clean(line) for line in lines).strip(),
    }


def _too_large() -> _Refused:
    return _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is too long", "Please send a shorter note.")


def _shown(about: manage.Acknowledgeable, named: Named) -> Answer:
    waiting = len(about.waiting)
    return _page(
        HTTPStatus.OK,
        heading=clean(about.title),
        words=clean(about.description),
        standing=_standing(about),
        waiting=waiting,
        button="Acknowledge" if waiting == 1 else f"Acknowledge all {waiting}",
        alerts=[_row(one) for one in about.alerts[:SHOWN]],
        hidden=max(0, len(about.alerts) - SHOWN),
        until=moment(named.until, "UTC"),
    )


def _standing(about: manage.Acknowledgeable) -> str:
    firing = [one for one in about.alerts if one.state == "firing"]
    waiting = len(about.waiting)
    if not firing:
        return "Nothing of this fires any more."
    if not waiting:
        return "Everything that fires is acknowledged."
    what = "1 alert fires" if len(firing) == 1 else f"{len(firing)} alerts fire"
    return what if waiting == len(firing) else f"{what}, {waiting} of them not acknowledged"


def _row(alert: AlertRow) -> dict[str, str]:
    acked = alert.acked_at is not None
    state = "resolved" if alert.state != "firing" else "acknowledged" if acked else "firing"
    value = clean(alert.text) or ("" if alert.value is None else f"{alert.value:.6g}")
    when = f"since {moment(alert.started_at, 'UTC')}"
    if alert.resolved_at:
        when = f"{moment(alert.started_at, 'UTC')} to {moment(alert.resolved_at, 'UTC')}"
    by = f"{clean(alert.acked_by)}, {moment(alert.acked_at, 'UTC')}" if alert.acked_at else ""
    return {
        "state": state,
        "series": clean(series_text(alert.key, "")) or clean(alert.title),
        "severity": Severity(alert.severity).word,
        "value": value,
        "when": when,
        "by": by,
        "note": alert.ack_note,
    }


def _page(status: HTTPStatus, *, more: Mapping[str, str] | None = None, **shown: Any) -> Answer:
    body = _template().render(status=status.value, name=LONGEST_NAME, note=LONGEST_NOTE, **shown)
    return Answer(status, body, {**_headers(), **(more or {}), "Content-Type": "text/html; charset=utf-8"})


@cache
def _headers() -> Mapping[str, str]:
    """Nothing is loaded, framed, kept, or told where it came from; the only style is our own."""
    style = re.search(r"<style>(.*?)</style>", _source(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256((style[1] if style else "").encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'"
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex, nofollow",
    }


@cache
def _source() -> str:
    return Path(__file__).with_name("page.html.jinja").read_text("utf-8")


@cache
def _template() -> "Template":
    from jinja2 import Environment

    make: Callable[[str], Template] = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).from_string
    return make(_source())
