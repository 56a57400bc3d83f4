"""`tocsin restored`: what people are told when they say that the database came from a backup."""

from pathlib import Path

from shared.store import revisions, states
from shared.store.engine import open_store
from shared.store.restored import JUMP
from tests.support.cli import Tocsin
from tests.support.deliveries import announce, notification


def test_it_says_how_many_rules_count_on_and_what_may_be_told_twice(filled: Tocsin, tmp_path: Path) -> None:
    store = open_store("sqlite:///tocsin.db", "default", tmp_path)
    announce(store, notification(1, rule={"id": "rule_btc"}), [("slack", "ops", "")])
    before = store.read(revisions.current)

    ran = filled("restored")

    assert (ran.status, ran.out) == (0, "1 rule counts on from a new number.\n")
    assert "1 message may be told twice: nobody knows what was told since the backup" in " ".join(
        ran.err.split()
    )
    assert store.read(revisions.current) == before + JUMP
    assert store.write(lambda tx: states.lock_counters(tx, ["rule_btc"]))["rule_btc"].seq == JUMP
    waiting = filled("deliveries", "list", "--waiting", "--json").json()["items"]
    assert [row["state"] for row in waiting] == ["unknown"]
    store.close()
