"""Completing an id that somebody has begun to write."""

from collections.abc import Sequence

from shared.manage.ports import Ports
from shared.store import beginnings

MOST = 100


def ids_beginning(ports: Ports, kind: str, begun: str) -> Sequence[str]:
    """At most 100 ids of this kind (rule, monitor, alert) that begin so; alerts the last to fire first.

    Empty for every other kind: there is nothing to complete.
    """
    if kind not in beginnings.KINDS:
        return ()
    return ports.store.read(lambda tx: beginnings.ids(tx, kind, begun, MOST))
