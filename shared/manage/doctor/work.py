"""Judges the work: ticks, rules, outbox, deliveries, dead letters, and the objects of the cluster. Pure."""

from collections.abc import Mapping

from shared.manage.doctor.facts import (
    Channels,
    Cluster,
    Database,
    Finding,
    KnativeObject,
    Nothing,
    Standing,
    Trouble,
    Verdict,
)
from shared.manage.doctor.servers import INTERVAL_MS, Seen, unseen

OK, WARN, FAIL, SKIPPED = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.SKIPPED
LATE_INTERVALS = 3
"""Ticks that are missing for so long have stopped: a cluster may lose one, or two at a roll-out. 90 s at least."""
BUDGET = 5 / 6
"""Of the interval: a tick's lease. What takes longer is cut off."""
WAITING_SECONDS = 120
RUNBOOK = "docs/operations.md"


def ticks(seen: Seen) -> list[Finding]:
    """Whether rules are evaluated, in time and without errors."""
    standing = _standing(seen)
    if standing is None:
        return [unseen("ticks", seen)]
    if not standing.ticks:
        fix = "See whether the PingSource `tick` is Ready and `evaluate` runs; `tocsin tick` runs one by hand"
        return [Finding("ticks", FAIL if standing.rules else WARN, "no tick was ever recorded", fix)]
    newest = standing.ticks[0]
    # The longest of the last ones: a tick by hand may have said any.
    interval = max(one.interval_ms for one in standing.ticks) or INTERVAL_MS
    age = max(0, standing.now - newest.slot)
    said = f"the newest slot was {age / 1000:.0f} s ago, every {interval / 1000:g} s"
    if age > LATE_INTERVALS * max(interval, INTERVAL_MS):
        fix = "See whether the PingSource `tick` is Ready, and the log of `evaluate`"
        return [Finding("ticks", FAIL, f"{said}: they have stopped", fix)]
    if newest.errors:
        return [
            Finding(
                "ticks",
                WARN,
                f"{said}; the last one had trouble: {newest.error}",
                "See the log of `evaluate`",
            )
        ]
    slowest, budget = max(one.total_ms for one in standing.ticks), interval * BUDGET
    which = f"the slowest of the last {len(standing.ticks)}" if len(standing.ticks) > 1 else "it"
    took = f"{which} took {slowest / 1000:.1f} s of {budget / 1000:.3g} s"
    if slowest > budget / 2:
        return [
            Finding(
                "ticks", WARN, f"{said}; {took}", "Give `evaluate` more CPU, or use shards: docs/scaling.md"
            )
        ]
    if skipped := sum(one.skipped for one in standing.ticks):
        fix = f"{RUNBOOK}#missed-slots"
        return [
            Finding("ticks", WARN, f"{said}; {skipped} of the slots before were evaluated by nobody", fix)
        ]
    return [Finding("ticks", OK, f"{said}; {took}")]


def rules(seen: Seen) -> list[Finding]:
    """Whether there are any, and can be evaluated."""
    standing = _standing(seen)
    if standing is None:
        return [unseen("rules", seen)]
    if standing.rules_in_error:
        said = f"{standing.rules_in_error} of {standing.rules} can't be evaluated"
        return [Finding("rules", WARN, said, "`tocsin rules list` shows which, `tocsin rules show` why")]
    if not standing.rules:
        return [Finding("rules", OK, "none yet: `tocsin rules add`, or ask for one in a conversation")]
    return [Finding("rules", OK, f"{standing.rules}, all can be evaluated")]


def outbox(seen: Seen) -> list[Finding]:
    """Whether the Broker takes events."""
    standing = _standing(seen)
    if standing is None:
        return [unseen("outbox", seen)]
    count, oldest = standing.unpublished, standing.oldest_unpublished_seconds
    if oldest > WAITING_SECONDS:
        said = f"{count} events wait for the Broker, the oldest for {oldest} s"
        return [Finding("outbox", FAIL, said, f"See whether the Broker is Ready: {RUNBOOK}#growing-outbox")]
    return [Finding("outbox", OK, f"{count} events wait for the Broker" if count else "empty")]


def deliveries(seen: Seen) -> list[Finding]:
    """Whether channels take what is told."""
    standing = _standing(seen)
    if standing is None:
        return [unseen("deliveries", seen)]
    found = []
    if standing.failing_channels:
        said = f"refuse everything: {', '.join(standing.failing_channels)}"
        fix = f"`tocsin deliveries list` shows their words: {RUNBOOK}#failing-channels"
        found.append(Finding("deliveries", FAIL, said, fix))
    if late := {name: count for name, count in standing.overdue.items() if count}:
        said = f"open for more than five minutes: {_listed(late)}"
        found.append(
            Finding("deliveries", WARN, said, f"`tocsin deliveries list`: {RUNBOOK}#overdue-deliveries")
        )
    return found or [Finding("deliveries", OK, "none is overdue, no channel refuses")]


def dead_letters(seen: Seen) -> list[Finding]:
    """What the Broker gave up on and is still open."""
    standing = _standing(seen)
    if standing is None:
        return [unseen("dead letters", seen)]
    if open_ones := {kind: count for kind, count in standing.dead_letters.items() if count}:
        fix = f"`tocsin dead-letters list` shows why: {RUNBOOK}#dead-letters"
        return [Finding("dead letters", WARN, f"open: {_listed(open_ones)}", fix)]
    return [Finding("dead letters", OK, "none is open")]


def self_alerts(seen: Seen) -> list[Finding]:
    """Whether Tocsin would tell of all this by itself."""
    standing = _standing(seen)
    if standing is None:
        return [unseen("self-alerts", seen)]
    on, total = standing.self_alerts
    if on < total:
        fix = "`tocsin self-alerts on`: Tocsin then tells when it can't work"
        return [Finding("self-alerts", WARN, f"{on} of {total} are on", fix)]
    return [Finding("self-alerts", OK, f"all {total} are on")]


def cluster(seen: Cluster | Trouble | Nothing, channels: Channels | Trouble | Nothing) -> list[Finding]:
    """Whether every Knative object is Ready, and every kind of channel has its function."""
    if isinstance(seen, Nothing):
        return [Finding("knative", SKIPPED, seen.why)]
    if isinstance(seen, Trouble):
        return [
            Finding("knative", FAIL, seen.why, "See whether `kubectl get` works for you in this namespace")
        ]
    found = [_unready(seen.namespace, one) for one in seen.objects if one.unready]
    names = [one.name for one in seen.objects if one.kind == "Service"]
    wanted = ["evaluate"]
    if isinstance(channels, Channels):
        wanted += sorted({f"notify-{kind}" for kind in channels.kinds.values()})
    for name in wanted:
        if not any(there == name or there.endswith(f"-{name}") for there in names):
            said = f"namespace {seen.namespace} has no Service {name}"
            found.append(Finding("knative", FAIL, said, "Apply the overlay again: docs/deploy.md"))
    counts: dict[str, int] = {}
    for one in seen.objects:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    return found or [
        Finding("knative", OK, f"in namespace {seen.namespace} all are Ready: {_listed(counts)}")
    ]


def _unready(namespace: str, one: KnativeObject) -> Finding:
    fix = f"kubectl -n {namespace} describe {one.kind.lower()} {one.name}"
    if one.kind == "Service":
        fix = f"kubectl -n {namespace} describe ksvc {one.name}"
    return Finding("knative", FAIL, f"{one.kind} {one.name} is not Ready: {one.unready}", fix)


def _standing(seen: Seen) -> Standing | None:
    return seen.standing if isinstance(seen, Database) else None


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
