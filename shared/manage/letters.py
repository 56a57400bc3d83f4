"""Dead letters: events that the broker gave up on for one kind of channel. Their deliveries stay open, so the ticks go
on trying; a replay is for who doesn't want to wait."""

from dataclasses import dataclass
from typing import Any

from shared.errors import Conflict, InvalidInput, NotFound, Unavailable
from shared.events import Event, routed
from shared.manage.ports import Ports
from shared.model import Millis
from shared.store import audit, dead_letters
from shared.store.dead_letters import DeadLetter
from shared.store.engine import Tx


@dataclass(frozen=True, slots=True)
class LetterItem:
    """A dead letter as people see it: without the event's bytes. `open`: a delivery still waits for it."""

    event_id: str
    kind: str
    type: str
    rule_id: str
    open: bool
    error_code: int | None
    error: str
    refused_by: str
    received: int
    first_at: Millis
    last_at: Millis
    replayed_at: Millis | None


@dataclass(frozen=True, slots=True)
class LetterDetail:
    """A dead letter with its whole event."""

    letter: LetterItem
    attributes: dict[str, str]
    data: str


def list_dead_letters(ports: Ports, *, everything: bool = False, limit: int = 50) -> list[LetterItem]:
    """Dead letters, newest first: those that a delivery still waits for, or `everything` that ever was one."""
    found = ports.store.read(lambda tx: dead_letters.listing(tx, limit, only_open=not everything))
    return [_item(one) for one in found]


def get_dead_letter(ports: Ports, event: str, kind: str = "") -> LetterDetail:
    """One dead letter by its event's id, or the beginning of it; with its kind when there are several."""
    letter = ports.store.read(lambda tx: _find(tx, event, kind))
    return LetterDetail(_item(letter), dict(letter.attributes), letter.body.decode("utf-8", "replace"))


def replay_dead_letter(ports: Ports, event: str, kind: str = "", *, actor: str, now: Millis) -> LetterItem:
    """Publish the same event, with the same id, for its kind alone, and let its deliveries be due.

    Raises Conflict when no delivery waits for it any more, Unavailable when the broker doesn't take it.
    """
    if not ports.broker.sink:
        raise no_broker("a replayed event")

    def work(tx: Tx) -> DeadLetter:
        letter = _find(tx, event, kind)
        if not letter.open:
            raise Conflict(
                f"no delivery by {letter.kind or 'this kind'} waits for event {letter.event_id} any more"
            )
        dead_letters.replayed(tx, letter.event_id, letter.kind)
        about = f"{letter.event_id}/{letter.kind}"
        audit.record(tx, now, actor, "dead_letter.replay", about)
        return letter

    letter = ports.store.write(work)
    ports.broker.publish(routed(Event(letter.attributes, letter.body), [letter.kind]))
    return _item(ports.store.read(lambda tx: _find(tx, letter.event_id, letter.kind)))


def no_broker(what: str) -> Unavailable:
    """What to raise where something can't be done without a broker."""
    why = f"no address is known, and {what} goes through it"
    setting = "K_SINK. Run `make run` and this command in the same folder, or set it to the Broker's address"
    return Unavailable("the broker", "", why, setting)


def _find(tx: Tx, event: str, kind: str) -> DeadLetter:
    found = dead_letters.listing(tx, event_id=event) if event else []
    chosen = [one for one in found if kind in ("", one.kind)]
    if not chosen:
        raise NotFound("dead letter", f"{event} {kind}".strip(), "list the dead letters to see them")
    if len(chosen) > 1:
        named = ", ".join(f"{one.event_id} {one.kind}".strip() for one in chosen[:5])
        raise InvalidInput("event", event, f"several dead letters are meant: {named}", "Name event and kind")
    return chosen[0]


def _item(letter: DeadLetter) -> LetterItem:
    given: dict[str, Any] = dict(letter.attributes)
    return LetterItem(
        event_id=letter.event_id,
        kind=letter.kind,
        type=str(given.get("type", "")).rpartition(".")[2],
        rule_id=str(given.get("subject", "")),
        open=letter.open,
        error_code=letter.error_code,
        error=letter.error_data,
        refused_by=letter.error_dest,
        received=letter.received,
        first_at=letter.first_at,
        last_at=letter.last_at,
        replayed_at=letter.replayed_at,
    )
