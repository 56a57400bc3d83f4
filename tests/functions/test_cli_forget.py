"""`tocsin rules forget` as people type it."""

from pathlib import Path

from shared.series import series_id, series_key
from shared.store import states
from tests.support.cli import Tocsin
from tests.support.manage import wiring

KEY = series_key("mon_btc", [("host", "web1")])


def test_a_series_is_forgotten_by_its_name(filled: Tocsin, tmp_path: Path) -> None:
    one = wiring(tmp_path)
    rule = filled("rules", "list", "--json").json()["items"][0]["rule"]["id"]
    one.store.write(lambda tx: states.see_series(tx, [(rule, series_id(KEY), KEY)], 1))
    one.close()

    ran = filled("rules", "forget", "bitcoin high", "host=web1")

    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "Forgot host=web1 of Bitcoin high, until it sends again.\n"
    again = filled("rules", "forget", "Bitcoin high", "host=web1")
    assert again.status == 2
    assert "no series was ever seen" in again.err
