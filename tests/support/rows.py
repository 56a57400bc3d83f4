"""Monitors, rules and rows of the evaluator's tables, with everything filled in that a test doesn't care about."""

from typing import Any

from shared.model import Monitor, Rule
from shared.store import monitors, rules
from shared.store.engine import Store, open_store
from shared.store.tables import alerts, metadata, states

NOW = 1_700_000_000_000
CONDITION = {"type": "threshold", "field": "price", "operator": ">", "value": 60_000}


def store_with_tables(url: str, tenant: str = "default") -> Store:
    """A store with all its tables; made directly, which is quicker than by migrations and proven to be the same."""
    store = open_store(url, tenant)
    metadata.create_all(store.engine)
    return store


def monitor(monitor_id: str = "mon_btc", **given: Any) -> Monitor:
    """A monitor of a price."""
    return Monitor(
        **{"id": monitor_id, "name": "Bitcoin", "measurement": "coin", "fields": {"price": "float"}, **given}
    )


def rule(rule_id: str = "rule_btc", **given: Any) -> Rule:
    """A rule on that monitor."""
    plain = {"id": rule_id, "monitor_id": "mon_btc", "title": "Bitcoin high", "condition": CONDITION}
    return Rule(**{**plain, **given})


def add_monitor(store: Store, monitor_id: str = "mon_btc", *, at: int = NOW, **given: Any) -> Monitor:
    """A stored monitor."""
    return store.write(lambda tx: monitors.insert(tx, monitor(monitor_id, **given), at))


def add_rule(store: Store, rule_id: str = "rule_btc", *, at: int = NOW, **given: Any) -> Rule:
    """A stored rule."""
    return store.write(lambda tx: rules.insert(tx, rule(rule_id, **given), at))


def add_alert(store: Store, alert_id: str, *, phase: str = "firing", level: int = 3, **given: Any) -> None:
    """An alert with the state of its series. `given` are columns of `alerts`."""
    resolved = phase != "firing"
    row = {
        "id": alert_id,
        "rule_id": "rule_btc",
        "series_id": f"s_{alert_id}"[:24],
        "open_key": alert_id if resolved else "open",
        "key": '["mon_btc",[]]',
        "monitor_id": "mon_btc",
        "title": "Bitcoin high",
        "state": "resolved" if resolved else "firing",
        "severity": 3,
        "started_at": NOW,
        "fired_at": NOW,
        "resolved_at": NOW + 60_000 if resolved else None,
        "announced": True,
        **given,
    }
    state = {
        "rule_id": row["rule_id"],
        "series_id": row["series_id"],
        "key": row["key"],
        "phase": phase,
        "level": level,
        "alert_id": "" if resolved else alert_id,
        "announced_alert": "" if resolved else alert_id,
        "version": 4,
        "active": not resolved,
    }
    store.write(lambda tx: tx.insert(alerts, [row]))
    store.write(lambda tx: tx.upsert(states, [state]))
