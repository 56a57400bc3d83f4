"""Finding managed rows on both databases: pages, selectors, silences and the audit."""

from dataclasses import replace

import pytest

from shared.errors import Conflict, InvalidInput, NotFound
from shared.model import Monitor, Selector, Severity
from shared.store import audit, monitors, revisions, rules, silences
from shared.store.engine import Store
from shared.store.managed import Page
from shared.store.silences import SilenceRow
from tests.support import rows
from tests.support.rows import NOW, add_monitor, add_rule


@pytest.fixture
def store(database_url: str) -> Store:
    return rows.store_with_tables(database_url)


def _page(store: Store, limit: int, cursor: str) -> Page[Monitor]:
    return store.read(lambda tx: monitors.page(tx, limit=limit, cursor=cursor))


def _all_pages(store: Store, limit: int) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = _page(store, limit, cursor)
        found += [monitor.id for monitor in page.items]
        if not page.cursor:
            return found
        cursor = page.cursor


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_hold_every_row_once_in_the_order_of_creation(store: Store, limit: int) -> None:
    times = [5, 3, 3, 3, 9]
    for number, at in enumerate(times):
        add_monitor(store, f"mon_{number}", at=at, name=f"m{number}")

    assert _all_pages(store, limit) == ["mon_1", "mon_2", "mon_3", "mon_0", "mon_4"]


def test_a_page_can_be_narrowed(store: Store) -> None:
    for number, (title, enabled) in enumerate([("100% full", True), ("100 full", True), ("CPU busy", False)]):
        add_rule(store, f"rule_{number}", title=title, enabled=enabled, monitor_id=f"mon_{number}")

    def ids(**wanted: object) -> list[str]:
        return [rule.id for rule in store.read(lambda tx: rules.page(tx, **wanted)).items]  # type: ignore[arg-type]

    assert ids(words="100%") == ["rule_0"]
    assert ids(words="cpu") == ["rule_2"]
    assert ids(enabled=True) == ["rule_0", "rule_1"]
    assert ids(monitor_id="mon_1") == ["rule_1"]
    assert ids(severity=Severity.CRITICAL) == []


@pytest.mark.parametrize(("limit", "cursor"), [(0, ""), (501, ""), (10, "x"), (10, "12"), (10, ".rule")])
def test_a_page_that_can_not_be_is_refused(store: Store, limit: int, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        store.read(lambda tx: rules.page(tx, limit=limit, cursor=cursor))


def test_a_selector_matches_by_kind_and_by_all_its_labels(store: Store) -> None:
    add_monitor(store, "mon_a", name="a", kind="host", labels={"team": "core", "env": "prod"})
    add_monitor(store, "mon_b", name="b", kind="host", labels={"team": "web"})
    add_monitor(store, "mon_c", name="c", kind="site", labels={"team": "core"})

    def matched(**wanted: object) -> list[str]:
        return sorted(store.read(lambda tx: monitors.matching(tx, Selector.model_validate(wanted))))

    assert matched(kind="host") == ["mon_a", "mon_b"]
    assert matched(labels={"team": "core"}) == ["mon_a", "mon_c"]
    assert matched(kind="host", labels={"team": "core", "env": "prod"}) == ["mon_a"]
    assert matched() == ["mon_a", "mon_b", "mon_c"]
    assert matched(kind="dish") == []


def test_a_hundred_thousand_characters_of_labels_are_kept(store: Store) -> None:
    big = {f"label{number}": "ü" * 100 for number in range(1_000)}
    store.write(
        lambda tx: monitors.insert(tx, Monitor(id="mon_b", name="b", measurement="m", labels=big), NOW)
    )

    assert store.read(lambda tx: monitors.get(tx, "mon_b")).labels == big


def test_a_silence_holds_until_it_is_ended_and_bumps_the_revision(store: Store) -> None:
    made = SilenceRow("sil_a", '{"rule_id":"rule_btc"}', NOW, NOW + 60_000, None, "deploy", "me", NOW)
    store.write(lambda tx: silences.insert(tx, made))
    assert store.read(lambda tx: silences.not_over(tx, NOW + 59_999)) == [made]
    assert store.read(lambda tx: silences.not_over(tx, NOW + 60_000)) == []

    store.write(lambda tx: silences.end(tx, "sil_a", NOW + 1))
    assert store.read(lambda tx: silences.not_over(tx, NOW + 2)) == []
    assert store.read(lambda tx: silences.page(tx)).items == (replace(made, ended_at=NOW + 1),)
    assert store.read(revisions.current) == 2
    with pytest.raises(Conflict, match="ended already"):
        store.write(lambda tx: silences.end(tx, "sil_a", NOW + 3))
    with pytest.raises(NotFound):
        store.write(lambda tx: silences.end(tx, "sil_b", NOW))


def test_the_audit_shows_the_newest_change_first_and_can_be_narrowed(store: Store) -> None:
    store.write(lambda tx: audit.record(tx, NOW, "me", "create", "rule_a", None, {"title": "ü"}))
    store.write(lambda tx: audit.record(tx, NOW + 1, "me", "delete", "rule_b", {"title": "b"}))

    page = store.read(lambda tx: audit.page(tx))
    assert [(row.action, row.before, row.after) for row in page.items] == [
        ("delete", '{"title":"b"}', None),
        ("create", None, '{"title":"ü"}'),
    ]
    assert len(store.read(lambda tx: audit.page(tx, about="rule_a")).items) == 1
