"""One event of every type with everything in it, as today's code makes it; and those that earlier versions made.

Earlier ones are files in tests/core/events_of/<version>/<type>.json: headers and body as they travelled. Never change
them: programs of that version still send such events during an upgrade. A new version adds its own:
`python -m tests.support.old_events 0.2.0`.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import events
from shared.events import Event
from shared.model import (
    AlertFacts,
    ChannelRef,
    EventKind,
    MonitorFacts,
    Notification,
    RuleFacts,
    Severity,
)

FOLDER = Path(__file__).parents[1] / "core" / "events_of"
KEYS = {"test": b"key of the tests, and no secret!"}
SLOT = 1_790_000_010_000


@dataclass(frozen=True, slots=True)
class Kept:
    """One event as it travelled."""

    version: str
    kind: EventKind
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.version} {self.kind}"


def kept() -> list[Kept]:
    """Every event of every earlier version."""
    found = []
    for path in sorted(FOLDER.glob("*/*.json")):
        written = json.loads(path.read_text(encoding="utf-8"))
        body = written["body"].encode()
        found.append(Kept(path.parent.name, EventKind(path.stem), written["headers"], body))
    return found


def notification(kind: EventKind) -> Notification:
    """A notification in which nothing is left out."""
    ended = {"resolved_at": SLOT, "reason": "recovered"} if kind is EventKind.RESOLVED else {}
    alert = AlertFacts(
        id="alert_1a2b3c4d5e6f",
        series="host=web-1, region=eu",
        series_id="0123456789abcdef01234567",
        event=kind,
        severity=Severity.CRITICAL,
        value=96.5,
        text="96.5",
        started_at=SLOT - 600_000,
        fired_at=SLOT - 540_000,
        labels={"host": "web-1", "region": "eu"},
        points=((SLOT - 60_000, 91.0), (SLOT, 96.5)),
        **ended,
    )
    return Notification(
        id=events.event_id("default", "rule_cpu", 7),
        event=kind,
        seq=7,
        slot=SLOT,
        severity=Severity.CRITICAL,
        rule=RuleFacts(
            id="rule_cpu",
            title="CPU of Zürich's web servers",
            description="Look at the queue first.",
            condition={"type": "threshold", "field": "usage", "operator": ">", "value": 90.0},
            condition_text="usage is above 90",
            threshold=90.0,
            runbook_url="https://wiki.example/cpu",
            labels={"team": "web"},
        ),
        monitor=MonitorFacts(id="mon_cpu", name="CPU", measurement="cpu", labels={"env": "prod"}),
        alerts=(alert,),
        alert_count=3,
        channels=(ChannelRef(kind="slack", name="ops"), ChannelRef(kind="email", name="mail")),
        note="by Ann: restarting it",
    )


def event(kind: EventKind) -> Event:
    """Its event as today's code sends it to the Broker: signed, with a route for each kind of channel."""
    made = events.sign(events.notification_event(notification(kind), at=SLOT), KEYS)
    return events.routed(made, ("slack", "email"))


def shape(value: Any) -> Any:
    """What a reader relies on: the keys, and what kind of value each has."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def missing(wanted: Any, there: Any, at: str = "data") -> list[str]:
    """What a reader of `wanted` would not find in `there`, or find changed."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        lost = [f"{at}.{key} is gone" for key in wanted if key not in there]
        return lost + [
            line for key in wanted if key in there for line in missing(wanted[key], there[key], f"{at}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(there, list):
        return missing(wanted[0], there[0], f"{at}[]") if wanted and there else []
    return [] if wanted == there else [f"{at} was {wanted}, and is {there}"]


def write(version: str) -> None:
    """Keep today's events as those of this version; refuses to overwrite."""
    folder = FOLDER / version
    folder.mkdir(parents=True)
    for kind in EventKind:
        headers, body = events.to_http(event(kind))
        made = {"headers": headers, "body": body.decode()}
        (folder / f"{kind.value}.json").write_text(
            json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    write(sys.argv[1])
