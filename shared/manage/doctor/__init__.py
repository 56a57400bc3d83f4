"""`tocsin doctor`: look at everything that Tocsin needs, and say what to do about what is wrong.

`probes` and `kubectl` gather, each look with an end in time; `servers`, `setup` and `work` judge, and do no I/O.
"""

from collections.abc import Sequence

from shared.manage.doctor import servers, setup, work
from shared.manage.doctor.facts import Finding, Gathered, Verdict

__all__ = ["Finding", "Gathered", "Verdict", "examine"]


def examine(seen: Gathered) -> list[Finding]:
    """Every finding, in the order in which things depend on each other."""
    found: Sequence[Sequence[Finding]] = (
        setup.settings(seen.setup),
        servers.database(seen.database, in_cluster=seen.setup.in_cluster),
        servers.clocks(seen.database, seen.sources, seen.setup.max_skew_intervals),
        servers.redis(seen.redis),
        servers.sources(seen.sources, seen.database),
        setup.channels(seen.channels),
        setup.keys(seen.setup),
        setup.public_url(seen.setup, seen.public_page),
        setup.access(seen.access, in_cluster=seen.setup.in_cluster),
        work.ticks(seen.database),
        setup.heartbeat(seen.setup),
        work.rules(seen.database),
        work.outbox(seen.database),
        work.deliveries(seen.database),
        work.dead_letters(seen.database),
        work.self_alerts(seen.database),
        work.cluster(seen.cluster, seen.channels),
    )
    return [one for group in found for one in group]
