"""One chart in a process that never drew one: its renderer is imported, its font read, its PNG made."""

import statistics
import subprocess
import sys
from collections.abc import Iterator

from tests.bench._figures import Figure, Row
from tests.bench._lab import Lab
from tests.support.processes import ROOT

_DRAW = """
import time
from shared.channels import _message
from shared.model import AlertFacts, EventKind, Notification, RuleFacts, Severity

points = tuple((1_790_000_000_000 + i * 30_000, 60.0 + (i * 37 % 23) + (i > 80) * 30) for i in range(120))
alert = AlertFacts(id="a", event="firing", severity="high", started_at=points[80][0], points=points)
condition = {"type": "threshold", "field": "usage", "operator": ">", "value": 90}
facts = Notification(
    id="n", event="firing", seq=1, slot=points[-1][0], severity="high",
    rule=RuleFacts(id="r", title="CPU", condition=condition, threshold=90.0), alerts=(alert,), alert_count=1,
)
telling = _message.Telling(facts, EventKind.FIRING, Severity.HIGH, (_message.Item(alert),))
message = _message.build(telling, id="d", zone="Europe/Berlin")
began = time.perf_counter()
from shared.channels._chart import picture
drawn = picture(message, "Europe/Berlin")
print((time.perf_counter() - began) * 1000, len(drawn.png))
"""
"""The process has imported what every notify function has when its first message is rendered."""


def rows(lab: Lab) -> Iterator[Row]:
    """120 points, each time in a process of its own."""
    lab.say("charts in fresh processes")
    times = 2 * lab.options.repeat - 1  # they take less than a second each
    found = [
        subprocess.run(
            [sys.executable, "-c", _DRAW], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30
        ).stdout.split()
        for _ in range(times)
    ]
    milliseconds = statistics.median(float(took) for took, _ in found)
    yield Figure("chart_cold_ms", milliseconds, f"the median of {times}; a PNG of {int(found[0][1]):,} bytes")
