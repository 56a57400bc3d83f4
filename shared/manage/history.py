"""Who changed what: the audit, for people."""

from shared.manage.ports import Ports
from shared.store import audit
from shared.store.audit import AuditRow
from shared.store.managed import Page


def list_changes(ports: Ports, *, about: str = "", limit: int = 50, cursor: str = "") -> Page[AuditRow]:
    """Changes, newest first, optionally only those of the rule, monitor, alert, … with exactly this id."""
    return ports.store.read(lambda tx: audit.page(tx, about=about, limit=limit, cursor=cursor))
