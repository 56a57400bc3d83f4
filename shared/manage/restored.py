"""Saying that the database came from a backup: what happened since is not in it, but people were told of it."""

from dataclasses import dataclass

from shared.manage.ports import Ports
from shared.model import Millis
from shared.store import audit, restored
from shared.store.engine import Tx


@dataclass(frozen=True, slots=True)
class AfterRestore:
    """How many rules count on from a number that was never used, and how many deliveries may be told twice."""

    rules: int
    deliveries: int


def after_restore(ports: Ports, *, actor: str, now: Millis) -> AfterRestore:
    """Make a restored database fit for work, before the first tick. Repeating it does no harm."""

    def work(tx: Tx) -> AfterRestore:
        done = AfterRestore(restored.count_on(tx), restored.open_again(tx))
        audit.record(tx, now, actor, "database.restored", "database")
        return done

    return ports.store.write(work)
