"""How a stack runs, apart from what its manifests say.

Must not hold anything that a manifest could say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from knative.local.addresses import LOOPBACK
from knative.local.demo_site import Cycle
from knative.local.faults import Faults
from knative.local.processes import GRACE_SECONDS

EXTRAS = ("inbox", "demo-site", "redis")
"""The stack's own parts: `<name>.laptop.local` in a manifest."""
EVERYWHERE = "0.0.0.0"
"""Every address of this machine."""


@dataclass(frozen=True)
class Pass:
    """Variables of the runner's environment that reach functions: those whose names match `names`, in the functions
    (and Jobs) that match `to`. Both are shell patterns.
    """

    names: str
    to: str = "*"


@dataclass(frozen=True)
class Options:
    """`env` beats every manifest; `without` names extras that must not run (their addresses then refuse connections).

    Ports of 0 are any free ones; `port_base` starts a row of ports that stays the same from run to run. Times are
    seconds; `grace_seconds` is what a function gets to finish its work when the stack ends.

    `passes` name what the runner's own environment gives the functions; the first that matches a variable decides.
    Services that the manifests leave public, and those in `public`, listen on `host`; all else on the loopback address.
    `ports` gives Services the port that they keep, whoever else is started.

    `scale_down_after`: a Service without `min-scale` ends after so long without a request; 0 keeps all of them running.
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
    passes: Sequence[Pass] = ()
    host: str = LOOPBACK
    public: frozenset[str] = frozenset()
    ports: Mapping[str, int] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    scale_down_after: float = 0.0
