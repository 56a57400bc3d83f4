"""Shell: one sender tells all that waits for a channel, digest by digest at the vendor's pace, while it has time.

Events that come meanwhile find the channel taken and are acknowledged at once; their rows go with the next digest.
What is left when the time is over is due: any later event of the channel brings it on.
"""

from collections.abc import Callable, Sequence

from shared.channels import load_kind
from shared.deliver.batches import Batch, plan
from shared.deliver.send import LEASE_MS, LEAST_SECONDS, Sending
from shared.deliver.verdicts import Verdict
from shared.deliver.whole import Whole, whole
from shared.store import storms
from shared.store.engine import Tx

SideBySide = Callable[[Sending, Sequence[Batch]], list[Verdict]]


def drain(sending: Sending, channel: str, side_by_side: SideBySide) -> list[Verdict]:
    """The verdicts on everything that was sent; none when somebody else is at work on the channel."""
    store, token = sending.ports.store, sending.token
    if not store.write(lambda tx: storms.begin(tx, channel, token, LEASE_MS)):
        return []
    verdicts: list[Verdict] = []
    while sending.recorder.seconds_left() > LEAST_SECONDS:
        gathered = store.write(lambda tx: _claim(tx, sending, channel))
        if not gathered.claim.rows:
            return verdicts
        decided = plan(gathered.claim, gathered.told, gathered.facts)
        sending.recorder.record(decided.ended, {})
        verdicts += side_by_side(sending, decided.batches)
        if any(verdict.quick for verdict in verdicts):
            break  # the broker brings the event again in a moment
    sending.recorder.commit(lambda tx: storms.end(tx, channel, token))
    return verdicts


def _claim(tx: Tx, sending: Sending, channel: str) -> Whole:
    idempotent = load_kind(sending.kind).IDEMPOTENT
    claim = storms.claim(tx, sending.kind, channel, sending.token, LEASE_MS, idempotent=idempotent)
    return whole(tx, claim, sending.kind)
