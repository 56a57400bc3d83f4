"""From what a metric store holds to monitors worth having. Pure: proposals are data, somebody else makes monitors.

A proposal's key tags are its identity. A tag that says how a check went (`result`, `status_code`) must never be one:
when it flips, a new series begins and the old one still looks healthy.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.columns import Discovered


@dataclass(frozen=True, slots=True)
class Proposal:
    """A monitor that could be made. `fields` maps a field to its unit, or to its type if no unit is known."""

    name: str
    measurement: str
    key: tuple[str, ...]
    fields: Mapping[str, str]
    kind: str
    why: str
    database: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """A measurement that we know: Telegraf's names are those of its 1.39 plugins' READMEs."""

    kind: str
    name: str
    key: tuple[str, ...]
    fields: Mapping[str, str]
    why: str


_RESULT = "0 is success"
_STALE = "response_time is absent when the check fails, so pair a rule on it with one on"

_KNOWN: Mapping[str, _Known] = {
    "tocsin_rules": _Known(
        "tocsin",
        "Rules by health",
        ("health",),
        {"count": "count"},
        "Tocsin's own numbers. Here the health is not how one thing is: each has a count of its own.",
    ),
    "website": _Known(
        "website",
        "Websites",
        ("name", "url"),
        {
            "is_up": "1 is up, 0 is down",
            "response_time": "milliseconds",
            "status_code": "HTTP status, 0 is no answer",
        },
        f"Tocsin's own HTTP monitor. {_STALE} is_up.",
    ),
    "http_response": _Known(
        "website",
        "HTTP checks",
        ("host", "server", "method"),
        {
            "response_time": "seconds",
            "result_code": f"{_RESULT}, 3 connection failed, 4 timeout",
            "http_response_code": "HTTP status",
            "content_length": "bytes",
            "response_string_match": "1 is a match",
            "response_status_code_match": "1 is a match",
        },
        f"Telegraf's http_response. {_STALE} result_code.",
    ),
    "ping": _Known(
        "ping",
        "Ping",
        ("host", "url"),
        {
            "percent_packet_loss": "percent",
            "average_response_ms": "milliseconds",
            "maximum_response_ms": "milliseconds",
            "result_code": _RESULT,
        },
        "Telegraf's ping.",
    ),
    "net_response": _Known(
        "port",
        "Network ports",
        ("host", "server", "port", "protocol"),
        {"response_time": "seconds", "result_code": f"{_RESULT}, 1 timeout, 2 connection failed"},
        f"Telegraf's net_response. {_STALE} result_code.",
    ),
    "x509_cert": _Known(
        "certificate",
        "Certificates",
        ("host", "source", "common_name"),
        {"expiry": "seconds, negative once expired", "age": "seconds", "verification_code": _RESULT},
        "Telegraf's x509_cert. The common name stays when a certificate is renewed, its serial number doesn't.",
    ),
    "cpu": _Known(
        "cpu",
        "CPU",
        ("host", "cpu"),
        {
            "usage_active": "percent",
            "usage_idle": "percent",
            "usage_user": "percent",
            "usage_system": "percent",
            "usage_iowait": "percent",
        },
        "Telegraf's cpu; cpu=cpu-total is the whole machine.",
    ),
    "mem": _Known(
        "memory",
        "Memory",
        ("host",),
        {"used_percent": "percent", "available_percent": "percent", "available": "bytes"},
        "Telegraf's mem.",
    ),
    "disk": _Known(
        "disk",
        "Disks",
        ("host", "path"),
        {"used_percent": "percent", "inodes_used_percent": "percent", "free": "bytes"},
        "Telegraf's disk. Device, file system and mode may change without it being another disk.",
    ),
    "system": _Known(
        "system",
        "System",
        ("host",),
        {
            "load1": "processes",
            "load5": "processes",
            "n_cpus": "count",
            "uptime": "seconds",
            "n_users": "count",
        },
        "Telegraf's system.",
    ),
}

# Tags that tell how things are, not which thing it is.
_STATUS_TAGS = frozenset(
    {"result", "result_type", "status", "status_code", "code", "state", "level", "severity", "value"}
    | {"error", "err", "message", "msg", "reason", "verification", "success", "ok", "up", "health"}
    | {"mode", "label", "version"}
)
_STATUS_ENDS = (
    *("_status", "_state", "_result", "_error", "_message"),
    *(
        "status_code",
        "error_code",
        "result_code",
        "response_code",
        "exit_code",
        "return_code",
        "verification_code",
    ),
)
_REQUEST_TAGS = re.compile(
    r"(^|_)(request|req|trace|span|session|correlation|transaction|message)_?id$|^uuid$", re.I
)
_UNBOUNDED = re.compile(
    r"^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32,}|\d{10,19}|"
    r"\d{4}-\d\d-\d\d[T ].*)$",
    re.I,
)


def propose(discovered: Iterable[Discovered]) -> list[Proposal]:
    """A proposal for each measurement that has a field to watch; known measurements come first."""
    proposals = [_of_known(found) or _guess(found) for found in discovered]
    useful = [proposal for proposal in proposals if proposal.fields]
    return sorted(useful, key=lambda one: (not one.kind, one.measurement, one.database))


def _of_known(found: Discovered) -> Proposal | None:
    """The proposal for a measurement that we know; another may bear its name, then none of the fields is there."""
    known = _KNOWN.get(found.measurement)
    if known is None or not known.fields.keys() & found.fields.keys():
        return None
    return Proposal(
        name=known.name,
        measurement=found.measurement,
        key=tuple(tag for tag in known.key if tag in found.tags),
        fields={name: unit for name, unit in known.fields.items() if name in found.fields},
        kind=known.kind,
        why=known.why,
        database=found.database,
    )


def _guess(found: Discovered) -> Proposal:
    """Every tag that names a thing is part of its identity; those that say how it is, or never repeat, are not."""
    left_out = {tag: reason for tag, values in found.tags.items() if (reason := _why_no_key(tag, values))}
    key = tuple(tag for tag in found.tags if tag not in left_out)
    if key:
        why = f"Each combination of {', '.join(key)} is one series."
    else:
        why = "No tag tells one thing from another, so all points are one series."
    why += "".join(f" {tag} {reason}." for tag, reason in left_out.items())
    return Proposal(found.measurement, found.measurement, key, dict(found.fields), "", why, found.database)


def _why_no_key(tag: str, values: Sequence[str]) -> str:
    """Why a tag can't be identity; empty if it can."""
    name = tag.lower()
    if name in _STATUS_TAGS or name.endswith(_STATUS_ENDS) or name.startswith("ocsp_"):
        return "says how things are, not which thing it is"
    if _REQUEST_TAGS.search(name) or (values and all(_UNBOUNDED.match(value) for value in values)):
        return "looks different for every point"
    return ""
