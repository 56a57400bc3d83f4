"""How a stack runs, apart from what its manifests say.

Must not hold anything that a manifest could say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from knative.local.demo_site import Cycle
from knative.local.processes import GRACE_SECONDS

EXTRAS = ("inbox", "demo-site", "redis")
"""The stack's own parts: `<name>.laptop.local` in a manifest."""


@dataclass(frozen=True)
class Options:
    """`env` beats every manifest; `without` names extras that must not run (their addresses then refuse connections).

    Ports of 0 are any free ones; `port_base` starts a row of ports that stays the same from run to run. Times are
    seconds; `grace_seconds` is what a function gets to finish its work when the stack ends.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    ticks: bool = True
    inbox_port: int = 0
    port_base: int = 0
    cycle: Cycle = field(default_factory=Cycle)
    job_seconds: float = 120.0
    ready_seconds: float = 60.0
    grace_seconds: float = GRACE_SECONDS
