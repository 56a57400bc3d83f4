"""The whole stack with real input, without a person: until a real alert and its resolve came through every channel.

`python -m tests.smoke` starts the laptop overlay on free ports in a temporary folder, lets its demo site go down and
come back, and watches the inbox. The last line says how long it took from the first bad point to each message.
"""

import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from knative.local.demo_site import Cycle
from knative.local.journal import Note
from knative.local.options import Options
from knative.local.stack import Stack
from shared.channels import kinds
from shared.columns import SampleQuery
from shared.metrics import open_metrics
from tests.support.processes import free_port

KINDS = kinds()
SITE = Cycle(first_down=6, first_up=18, every_seconds=0, down_seconds=0)
WITHIN_SECONDS = 90.0

Arrivals = dict[tuple[str, str], int]
"""(channel kind, firing or resolved) → when its first message arrived, epoch milliseconds."""


def main() -> int:
    """0 when everything arrived, and once each; 1 otherwise."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tocsin-smoke-") as folder:
        stack = Stack("laptop", folder, options=Options(cycle=SITE, port_base=free_port()))
        stack.journal.listen(_show)
        with stack:
            print(
                f"stack up after {time.monotonic() - started:.1f} s; inbox at {stack.inbox_url}", flush=True
            )
            complete = stack.wait_for(
                lambda: len(_arrivals(stack.messages())) == 2 * len(KINDS), WITHIN_SECONDS
            )
            messages = stack.messages()
            first_point = _first_bad_point(stack)
    return _report(messages, first_point, complete=complete)


def _show(note: Note) -> None:
    if not note.detail:
        print(f"  {note.who:<14} {note.text}", flush=True)


def _about_the_site(message: Mapping[str, Any]) -> bool:
    return "demo site" in str(message["content"]).lower()


def _event(message: Mapping[str, Any]) -> str:
    """Firing or resolved, as the line on a lock screen said it: a message may have been edited since."""
    text = [*message["before"], message["title"]][0].lower()
    words = {"resolved": "resolved", "firing": "firing", "triggered": "firing"}
    return next((event for word, event in words.items() if word in text), "other")


def _arrivals(messages: list[dict[str, Any]]) -> Arrivals:
    found: Arrivals = {}
    for message in filter(_about_the_site, messages):
        if (event := _event(message)) != "other":
            found.setdefault((message["kind"], event), message["received_at"])
    return found


def _first_bad_point(stack: Stack) -> int | None:
    """When the HTTP monitor first wrote that the demo site is down."""
    metrics = open_metrics(stack.environment("evaluate")["TOCSIN_METRICS_URL"], "", stack.state)
    now = int(time.time() * 1000)
    samples = metrics.read(SampleQuery("website", ("name",), ("is_up",), now - 600_000, now), 10)
    metrics.close()
    names = samples.tags["name"]
    is_site = [names.values[code] == "demo-site" for code in names.codes]
    bad = samples.time[is_site & (samples.fields["is_up"].numbers == 0)]
    return int(bad.min()) if len(bad) else None


def _report(messages: list[dict[str, Any]], first_point: int | None, *, complete: bool) -> int:
    arrivals = _arrivals(messages)
    wanted = [(kind, event) for event in ("firing", "resolved") for kind in KINDS]
    counts = {
        key: sum((m["kind"], _event(m)) == key for m in messages if _about_the_site(m)) for key in wanted
    }
    passed = sum(count == 1 for count in counts.values())
    for (kind, event), count in counts.items():
        print(f"{kind:<8} {event:<9} {count} message{'' if count == 1 else 's'}")
    print(f"{passed} passed, {len(wanted) - passed} failed")
    if not complete or passed < len(wanted) or first_point is None:
        return 1
    times = ", ".join(f"{kind} {(arrivals[kind, 'firing'] - first_point) / 1000:.1f} s" for kind in KINDS)
    print(f"from the first bad point to the message: {times}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
