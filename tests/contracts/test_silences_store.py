"""The rows of silences on both databases: found by the beginning of an id, paged, and held against what fires."""

from collections.abc import Iterator

import pytest

from shared.errors import InvalidInput, NotFound
from shared.store import monitors, silences
from shared.store.engine import Store
from shared.store.silences import FiringRow, SilenceRow
from tests.support.rows import NOW, add_alert, add_monitor, add_rule, store_with_tables


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = store_with_tables(database_url)
    yield made
    made.close()


def silence(store: Store, silence_id: str, ends_at: int = NOW + 60_000) -> SilenceRow:
    made = SilenceRow(silence_id, '{"rules":["rule_btc"]}', NOW, ends_at, None, "deploy", "me", NOW)
    store.write(lambda tx: silences.insert(tx, made))
    return made


def test_a_silence_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    first, _second = silence(store, "sil_ab"), silence(store, "sil_abc")

    assert store.read(lambda tx: silences.find(tx, "sil_ab")) == first
    with pytest.raises(InvalidInput, match="sil_ab, sil_abc"):
        store.read(lambda tx: silences.find(tx, "sil_a"))


@pytest.mark.parametrize("wanted", ["sil_x", "", "sil%"])
def test_a_silence_that_is_not_there_is_not_found(store: Store, wanted: str) -> None:
    silence(store, "sil_ab")
    with pytest.raises(NotFound, match="list the silences"):
        store.read(lambda tx: silences.find(tx, wanted))


def test_pages_hold_what_is_over_or_what_is_not(store: Store) -> None:
    silence(store, "sil_over", NOW + 1)
    silence(store, "sil_ended")
    silence(store, "sil_on")
    store.write(lambda tx: silences.end(tx, "sil_ended", NOW))

    def ids(over: bool | None) -> set[str]:
        page = store.read(lambda tx: silences.page(tx, over=over, now=NOW + 1))
        return {row.id for row in page.items}

    assert ids(True) == {"sil_over", "sil_ended"}
    assert ids(False) == {"sil_on"}
    assert ids(None) == {"sil_over", "sil_ended", "sil_on"}


def test_what_fires_is_seen_with_the_labels_of_its_rule_and_its_monitor(store: Store) -> None:
    add_monitor(store, labels={"env": "prod"})
    add_rule(store, labels={"team": "core"})
    add_alert(store, "alert_open", level=4)
    add_alert(store, "alert_done", phase="ok")

    seen = FiringRow("rule_btc", '["mon_btc",[]]', 4, '{"team":"core"}', '{"env":"prod"}')
    assert store.read(silences.firing) == [seen]
    store.write(lambda tx: monitors.delete(tx, "mon_btc", 1, NOW))
    assert [row.monitor_labels for row in store.read(silences.firing)] == [None]


def test_other_tenants_neither_see_nor_name_it(store: Store, database_url: str) -> None:
    add_monitor(store)
    add_rule(store)
    add_alert(store, "alert_open")
    silence(store, "sil_a")
    other = store_with_tables(database_url, "other")

    assert other.read(lambda tx: silences.page(tx)).items == ()
    assert other.read(silences.firing) == []
    assert other.read(lambda tx: silences.titles(tx, ["rule_btc"])) == {}
    assert store.read(lambda tx: silences.titles(tx, ["rule_btc"])) == {"rule_btc": "Bitcoin high"}
    with pytest.raises(NotFound):
        other.read(lambda tx: silences.find(tx, "sil_a"))
    other.close()
