"""Shell: the silences of a tick, read again only when somebody changed something since the last one.

What a silence is about, and when it holds, is `silences`; what it holds back is `announce`.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.errors import NotFound
from shared.model import Millis
from shared.policy import RuleEntry
from shared.rulebook import RuleBook
from shared.silences import Quiet, Silence, read_silence, subject
from shared.store import silences
from shared.store.engine import Tx

log = logging.getLogger("tocsin.evaluate")


@dataclass(frozen=True, slots=True)
class Kept:
    """Every silence that was not over at `slot`, as of `revision`."""

    revision: int
    slot: Millis
    silences: tuple[Silence, ...]


def current(tx: Tx, kept: Kept | None, revision: int, slot: Millis) -> Kept:
    """The silences that hold in this slot or later. `revision` was read before, so none of it can be missed."""
    if kept is not None and kept.revision == revision and kept.slot <= slot:
        return kept
    found = []
    for row in silences.not_over(tx, slot):
        try:
            found.append(
                read_silence(row.id, row.matcher, row.starts_at, row.ends_at, row.weekly, row.reason)
            )
        except ValueError as error:  # somebody edited the row by hand; telling too much is the safer mistake
            log.warning("silence %s can't be read and silences nothing: %s", row.id, error)
    return Kept(revision, slot, tuple(found))


def silenced(quiet: Quiet, book: RuleBook, entry: RuleEntry) -> bool | Callable[[str, int], bool]:
    """What `advance` asks about the series of this rule; False when nothing is silenced at all."""
    if not quiet:
        return False

    def labels(monitor_id: str) -> Mapping[str, str]:
        try:
            return book.monitor(monitor_id).labels
        except NotFound:  # it was deleted, and what it left behind is being closed
            return {}

    return lambda key, severity: bool(quiet.over(subject(entry.rule_id, key, severity, entry.labels, labels)))
