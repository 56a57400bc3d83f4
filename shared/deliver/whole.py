"""What a claim is decided from: the frozen facts, for programs with every alert, and what recipients know already.

Reads within the claim's own transaction, and only what can make a difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.channels import load_kind
from shared.deliver.batches import read
from shared.model import EventKind, Notification
from shared.store import deliveries
from shared.store.deliveries import Claim
from shared.store.engine import Tx
from shared.store.rest import rest

_DEPENDS = (EventKind.RESOLVED, EventKind.REMINDER, EventKind.ACKNOWLEDGED)
"""What is said of these depends on what was told before; see `combine`."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A claim; by notification its facts, None for those that can't be read; by recipient the alerts it knows of."""

    claim: Claim
    facts: Mapping[str, Notification | None] = field(default_factory=dict)
    told: Mapping[tuple[str, str], set[str]] = field(default_factory=dict)


def whole(tx: Tx, claim: Claim, kind: str) -> Whole:
    """The claim with all that is needed to decide. People are told of the first alerts, and how many more."""
    if not claim.rows:
        return Whole(claim)
    facts = read(claim.bodies)
    if not load_kind(kind).HUMAN:
        facts = _complete(tx, facts)
    every = (alert.event for one in facts.values() if one is not None for alert in one.alerts)
    if not any(event in _DEPENDS for event in every):
        return Whole(claim, facts)
    return Whole(claim, facts, deliveries.told(tx, claim.bodies, {row.channel for row in claim.rows}))


def _complete(tx: Tx, facts: dict[str, Notification | None]) -> dict[str, Notification | None]:
    carried = {
        name: len(one.alerts)
        for name, one in facts.items()
        if one is not None and one.alert_count > len(one.alerts)
    }
    if not carried:
        return facts
    more = rest(tx, carried)
    return {
        name: one.model_copy(update={"alerts": one.alerts + more.get(name, ())}) if one else None
        for name, one in facts.items()
    }
