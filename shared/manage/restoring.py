"""Bringing back a rule that was deleted, as it was: a conversation is quick, and so are mistakes in it."""

from shared.errors import InvalidInput
from shared.manage.ports import Ports
from shared.manage.rules import RuleWritten, warnings_of
from shared.model import Millis, Monitor
from shared.store import audit, managed, monitors, rules
from shared.store.engine import Tx


def restore_rule(ports: Ports, wanted: str, *, actor: str, now: Millis) -> RuleWritten:
    """The rule of this id, or the one of this title that was deleted last; evaluated again from the next tick on.

    One that is not deleted stays as it is. Raises NotFound, and InvalidInput when its monitor is gone too.
    """

    def work(tx: Tx) -> RuleWritten:
        row = managed.by_id(tx, rules.KIND, wanted)
        if row is not None:
            rule = rules.get(tx, row.id)
            return RuleWritten(rule, warnings_of(tx, ports, rule, _monitor(tx, rule.monitor_id)))
        before = rules.get(tx, managed.deleted(tx, rules.KIND, wanted), deleted=True)
        monitor = _monitor(tx, before.monitor_id)
        managed.restore(tx, rules.KIND, before.id, now)
        rule = rules.get(tx, before.id)
        audit.record(tx, now, actor, "rule.restore", rule.id, None, rule.model_dump(mode="json"))
        return RuleWritten(rule, warnings_of(tx, ports, rule, monitor))

    return ports.store.write(work)


def _monitor(tx: Tx, monitor_id: str | None) -> Monitor | None:
    if monitor_id is None:
        return None
    if managed.by_id(tx, monitors.KIND, monitor_id) is None:
        raise InvalidInput("monitor", monitor_id, "it was deleted, too", "Make a new rule on another monitor")
    return monitors.get(tx, monitor_id)
