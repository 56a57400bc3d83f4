"""Chooses the form of a batch's message, and how a log line names it. Pure."""

from shared.channels._digest import digest
from shared.channels._message import Message, build
from shared.deliver.batches import Batch
from shared.deliver.links import Ports, ack_url, chart_url
from shared.model import Channel


def message_of(batch: Batch, channel: Channel, ports: Ports, *, may_repeat: bool) -> Message:
    """A digest where rows were folded into one, else the message of one rule."""
    failed = dict.fromkeys(row.instead_of for row in batch.rows if row.instead_of)
    notes = [f"Told here because it could not be told on {one}" for one in failed]
    if batch.folded:
        return digest(batch.folded, id=batch.id, zone=channel.timezone, may_repeat=may_repeat, notes=notes)
    return build(
        batch.telling,
        id=batch.id,
        zone=channel.timezone,
        may_repeat=may_repeat,
        notes=notes,
        ack_url=ack_url(batch, ports),
        chart_url=chart_url(batch, ports, channel.timezone),
    )


def told_by(batch: Batch) -> dict[str, object]:
    """What a log line says of the message."""
    if batch.folded:
        return {"title": f"digest of {len(batch.folded)} rules", "event": "digest", "digest_id": batch.id}
    alerts = [item.alert.id for item in batch.telling.items]
    title = batch.telling.facts.rule.title
    return {"title": title, "event": batch.telling.event.value, "alert_ids": alerts}
