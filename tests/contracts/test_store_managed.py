"""Monitors and rules on both databases: versions, revisions, deletion, and names as people write them."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.errors import Conflict, InvalidInput, NotFound
from shared.model import Selector, Severity
from shared.store import book, monitors, revisions, rules
from shared.store.engine import Store, Tx
from tests.support import rows
from tests.support.rows import NOW, add_monitor, add_rule


@pytest.fixture
def store(database_url: str) -> Store:
    return rows.store_with_tables(database_url)


def test_a_monitor_comes_back_as_it_was_stored(store: Store) -> None:
    given = rows.monitor(
        name="Büro 😀",
        where={"host": ("a", "b"), "env": "prod"},
        key=("host", "path"),
        kind="host",
        labels={"team": "core"},
        database="telegraf",
    )
    stored = store.write(lambda tx: monitors.insert(tx, given, NOW))

    assert store.read(lambda tx: monitors.get(tx, "mon_btc")) == stored
    assert stored == given.model_copy(update={"version": 1, "created_at": NOW, "updated_at": NOW})


def test_a_rule_comes_back_as_it_was_stored(store: Store) -> None:
    given = rows.rule(
        monitor_id=None,
        selector=Selector(kind="host", labels={"team": "core"}),
        severity="critical",
        channels=("ops", "büro"),
        enabled=False,
        labels={"a": "b"},
        cooldown_seconds=0,
        description="Zeile 1\nZeile 2",
    )
    stored = store.write(lambda tx: rules.insert(tx, given, NOW))

    assert store.read(lambda tx: rules.get(tx, "rule_btc")) == stored
    assert stored.severity is Severity.CRITICAL


def test_no_channels_and_an_empty_list_of_channels_are_told_apart(store: Store) -> None:
    add_rule(store, "rule_a", channels=None)
    add_rule(store, "rule_b", channels=())

    assert store.read(lambda tx: rules.get(tx, "rule_a")).channels is None
    assert store.read(lambda tx: rules.get(tx, "rule_b")).channels == ()


NAMES = ["disk", "Disk", "dïsk", "disk ", " disk", "DISK", "ｄｉｓｋ", "disk\u0301"]


def test_names_that_differ_only_in_case_accents_or_blanks_are_different(store: Store) -> None:
    for number, name in enumerate(NAMES):
        add_monitor(store, f"mon_{number}", name=name)
        add_rule(store, f"rule_{number}", title=name)

    def found(name: str) -> tuple[str, str, str]:
        def read(tx: Tx) -> tuple[str, str, str]:
            named = monitors.named(tx, name)
            return monitors.find(tx, name).id, rules.find(tx, name).id, named.id if named else "none"

        return store.read(read)

    for number, name in enumerate(NAMES):
        assert found(name) == (f"mon_{number}", f"rule_{number}", f"mon_{number}")
    assert store.read(lambda tx: monitors.named(tx, "disk  ")) is None


@pytest.mark.parametrize("wanted", ["rule_btc ", "RULE_BTC"])
def test_an_id_with_a_blank_behind_it_or_in_capitals_is_another_id(store: Store, wanted: str) -> None:
    add_rule(store)

    with pytest.raises(NotFound, match="did you mean"):
        store.read(lambda tx: rules.get(tx, wanted))


def test_a_name_in_another_case_finds_the_only_one(store: Store) -> None:
    add_rule(store, title="Größe HIGH")

    assert store.read(lambda tx: rules.find(tx, " grösse high ")).id == "rule_btc"


def test_a_name_that_two_rules_have_asks_for_an_id(store: Store) -> None:
    for rule_id in ("rule_a", "rule_b"):
        add_rule(store, rule_id)

    with pytest.raises(InvalidInput, match="rule_a, rule_b"):
        store.read(lambda tx: rules.find(tx, "Bitcoin high"))


def test_what_is_not_there_names_what_comes_closest(store: Store) -> None:
    with pytest.raises(NotFound, match="there are no rules yet"):
        store.read(lambda tx: rules.find(tx, "Bitcoin hi"))
    add_rule(store)

    with pytest.raises(NotFound, match="did you mean 'Bitcoin high'"):
        store.read(lambda tx: rules.find(tx, "Bitcoin hi"))


def test_an_update_raises_the_version_and_one_with_an_old_version_is_refused(store: Store) -> None:
    first = add_rule(store)
    second = first.model_copy(update={"title": "Bitcoin very high"})
    stored = store.write(lambda tx: rules.update(tx, second, 1, NOW + 5))

    assert (stored.version, stored.created_at, stored.updated_at) == (2, NOW, NOW + 5)
    assert store.read(lambda tx: rules.get(tx, "rule_btc")) == stored
    with pytest.raises(Conflict, match="at version 2, not 1"):
        store.write(lambda tx: rules.update(tx, first, 1, NOW + 9))
    assert store.read(lambda tx: rules.get(tx, "rule_btc")) == stored


def test_an_update_of_nothing_says_so(store: Store) -> None:
    with pytest.raises(NotFound):
        store.write(lambda tx: monitors.update(tx, rows.monitor(), 1, NOW))


def test_a_deleted_rule_is_gone_for_people_and_marked_for_the_evaluator(store: Store) -> None:
    add_rule(store)
    store.write(lambda tx: rules.delete(tx, "rule_btc", 1, NOW))

    with pytest.raises(NotFound):
        store.read(lambda tx: rules.get(tx, "rule_btc"))
    assert store.read(lambda tx: rules.page(tx)).items == ()
    assert store.read(lambda tx: rules.get(tx, "rule_btc", deleted=True)).title == "Bitcoin high"
    assert [row.deleted for row in store.read(lambda tx: book.changed_since(tx, 0)).rules] == [True]
    with pytest.raises(NotFound):
        store.write(lambda tx: rules.delete(tx, "rule_btc", 2, NOW))


def test_an_id_is_never_given_twice(store: Store) -> None:
    add_monitor(store)
    with pytest.raises(InvalidInput, match="another monitor has or had it"):
        add_monitor(store, name="other")
    store.write(lambda tx: monitors.delete(tx, "mon_btc", 1, NOW))
    with pytest.raises(InvalidInput, match="another monitor has or had it"):
        add_monitor(store, name="other")


def test_every_write_takes_the_next_revision_and_a_failed_one_takes_none(store: Store) -> None:
    assert store.read(revisions.current) == 0
    add_monitor(store)
    add_rule(store)
    store.write(lambda tx: rules.update(tx, rows.rule(title="x"), 1, NOW))
    assert store.read(revisions.current) == 3
    with pytest.raises(Conflict):
        store.write(lambda tx: rules.update(tx, rows.rule(title="y"), 1, NOW))

    assert store.read(revisions.current) == 3


def test_the_book_gives_only_what_changed(store: Store) -> None:
    add_monitor(store, where={"coin": "btc"})
    add_rule(store, "rule_a")
    everything = store.read(lambda tx: book.changed_since(tx, 0))
    assert (everything.revision, len(everything.monitors), len(everything.rules)) == (2, 1, 1)
    (monitor,), (rule,) = everything.monitors, everything.rules
    assert (monitor.filter, monitor.deleted) == ('{"coin":"btc"}', False)
    assert (rule.enabled, rule.channels) == (True, None)
    assert rule in everything.rules
    assert store.read(lambda tx: book.changed_since(tx, 2)) == replace(everything, monitors=(), rules=())

    add_rule(store, "rule_b", channels=("ops",), enabled=False)
    later = store.read(lambda tx: book.changed_since(tx, 2))
    assert (later.revision, [*later.monitors], [row.id for row in later.rules]) == (3, [], ["rule_b"])
    assert [(row.channels, row.enabled) for row in later.rules] == [('["ops"]', False)]


def test_the_book_gives_every_text_as_it_was_stored(store: Store) -> None:
    odd = "a\"b'c\\d\te\nf\x01g\x7f\u2028h\U0001f600 ${i} %s :j \\u0041 </script>"
    add_rule(store, title=odd, description=odd, labels={"odd": odd})
    add_monitor(store, name=odd, where={"host": odd})
    rule, monitor = store.read(lambda tx: (rules.get(tx, "rule_btc"), monitors.get(tx, "mon_btc")))

    rows_of_book = store.read(lambda tx: book.changed_since(tx, 0))

    (rule_row,), (monitor_row,) = rows_of_book.rules, rows_of_book.monitors
    assert (rule_row.title, rule_row.description) == (rule.title, rule.description) == (odd, odd)
    assert json.loads(rule_row.labels) == {"odd": odd}
    assert (monitor_row.name, json.loads(monitor_row.filter)) == (monitor.name, {"host": odd})
    assert (rule_row.enabled, rule_row.deleted, type(rule_row.enabled), type(rule_row.deleted)) == (
        True,
        False,
        bool,
        bool,
    )


def test_writers_at_once_never_share_a_revision(store: Store) -> None:
    def add(number: int) -> None:
        add_rule(store, f"rule_{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(20)))

    assert store.read(revisions.current) == 20
    found = store.read(lambda tx: [len(book.changed_since(tx, known).rules) for known in range(21)])
    assert found == list(range(20, -1, -1))


def test_of_two_updates_at_once_one_wins_and_one_is_told(store: Store) -> None:
    add_rule(store)

    def change(title: str) -> str:
        try:
            return store.write(lambda tx: rules.update(tx, rows.rule(title=title), 1, NOW)).title
        except Conflict:
            return "conflict"

    with ThreadPoolExecutor(2) as pool:
        results = sorted(pool.map(change, ["A", "B"]))

    assert results in (["A", "conflict"], ["B", "conflict"])


def test_tenants_share_nothing(store: Store) -> None:
    other = store.for_tenant("other")
    add_rule(store)
    other.write(lambda tx: rules.insert(tx, rows.rule(title="Theirs"), NOW))

    assert store.read(lambda tx: rules.get(tx, "rule_btc")).title == "Bitcoin high"
    assert other.read(lambda tx: rules.get(tx, "rule_btc")).title == "Theirs"
    assert other.read(revisions.current) == 1
    with pytest.raises(NotFound):
        other.read(lambda tx: rules.find(tx, "Bitcoin high"))
