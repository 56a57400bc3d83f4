"""Forgetting one series of a rule: a machine that is gone for good is neither missed nor kept open any longer."""

from dataclasses import dataclass

from shared.errors import InvalidInput
from shared.manage.ports import Ports
from shared.manage.story import chosen
from shared.model import Millis, Phase, Rule
from shared.series import series_text
from shared.store import audit, forgotten, histories, monitors, rules
from shared.store.engine import Tx


@dataclass(frozen=True, slots=True)
class ForgottenOne:
    """What was forgotten; `closes`: it has an open alert, which the next tick closes and tells."""

    rule: Rule
    key: str
    name: str
    closes: bool


def forget_series(ports: Ports, wanted: str, series: str, *, actor: str, now: Millis) -> ForgottenOne:
    """Expect a series (key or name, `host=a`) of a rule (id or title) no more, until it sends a newer point.

    The next tick closes its alert with reason `forgotten`, and tells so. Raises NotFound for the rule, InvalidInput
    for a series that the rule never saw, or when several are called so.
    """

    def work(tx: Tx) -> ForgottenOne:
        rule = rules.find(tx, wanted)
        states = {state.key: state for state in histories.states_of(tx, rule.id)}
        name = monitors.names(tx, [rule.monitor_id]).get(rule.monitor_id, "") if rule.monitor_id else ""
        keys = {*states, *(one.key for one in histories.seen_series(tx, rule.id))}
        names = {key: series_text(key, name) for key in keys}
        key = chosen(series, names, states, {}) if series else None
        if key is None:
            raise InvalidInput("series", series, "say which one", "`tocsin rules explain` lists them")
        forgotten.forget(tx, rule.id, key, now)
        audit.record(tx, now, actor, "rule.forget_series", rule.id, {"series": key})
        state = states.get(key)
        return ForgottenOne(rule, key, names[key], state is not None and state.phase is Phase.FIRING)

    return ports.store.write(work)
