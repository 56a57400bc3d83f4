"""The demo: an empty database gets it by itself, and no other ever does."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.model import Rule
from shared.store import monitors, rules
from shared.store.engine import Store, open_store
from shared.store.migrate import migrate
from tests.support.flow import Flow
from tests.support.functions import child_environment
from tests.support.processes import ROOT
from tests.support.rows import add_monitor, add_rule

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def stored(store: Store) -> tuple[set[str], dict[str, Rule]]:
    """The ids of the monitors, and the rules."""
    found = store.read(lambda tx: rules.page(tx, limit=500).items)
    ids = store.read(lambda tx: {monitor.id for monitor in monitors.page(tx, limit=500).items})
    return ids, {rule.id: rule for rule in found}


def seed(store: Store, folder: Path) -> str:
    """What the Job runs, on this database; returns what it printed."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("tocsin")), "demo", "--if-empty"],
        cwd=ROOT,
        env=child_environment({"TOCSIN_DATABASE_URL": store.url, "TOCSIN_STATE_DIR": str(folder)}),
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("stack", ["laptop", "with_servers"])
def test_a_stack_on_an_empty_database_begins_with_the_demo_and_a_second_run_adds_nothing(
    stack: str, request: pytest.FixtureRequest
) -> None:
    flow: Flow = request.getfixturevalue(stack)
    before = stored(flow.store)
    assert {"mon_demo_site", "mon_cpu"} <= before[0]
    assert {"rule_demo_site_down", "rule_cpu_busy"} <= set(before[1])
    assert all(rule.enabled for rule in before[1].values())

    assert "Added" not in seed(flow.store, flow.stack.state)
    assert stored(flow.store) == before


def test_nothing_is_added_to_a_database_that_has_a_rule_of_somebody(
    database_url: str, tmp_path: Path
) -> None:
    store = open_store(database_url, "default")
    migrate(store)
    add_monitor(store)
    add_rule(store)
    before = stored(store)
    assert "Added" not in seed(store, tmp_path)
    assert stored(store) == before
    assert set(before[1]) == {"rule_btc"}
    store.close()
