"""What only the embedded store promises: one file, several processes, seven days, all of a batch or nothing."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.columns import SampleQuery
from shared.errors import InvalidInput, Unavailable
from shared.metrics import MetricStore, open_metrics
from tests.support.functions import child_environment
from tests.support.processes import ROOT

T0 = 1_700_000_000_000
DAY_NS = 86_400 * 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MetricStore]:
    opened = open_metrics("embedded:///metrics.db", state_dir=tmp_path)
    yield opened
    opened.close()


def values(store: MetricStore, measurement: str = "m", stop: int = 2**42) -> list[float]:
    samples = store.read(SampleQuery(measurement, (), ("v",), -(2**42), stop), 5)
    return sorted(samples.fields["v"].numbers.tolist())


def test_a_relative_file_lives_in_the_state_folder_which_is_made(tmp_path: Path) -> None:
    store = open_metrics("embedded:///deep/own%20name.db", state_dir=tmp_path / "state")
    assert not (tmp_path / "state").exists()
    store.write(b"m v=1")
    store.close()
    assert (tmp_path / "state" / "deep" / "own name.db").is_file()


def test_an_absolute_file_is_where_it_says(tmp_path: Path) -> None:
    store = open_metrics(f"embedded:///{tmp_path}/a.db", state_dir=tmp_path / "elsewhere")
    store.write(b"m v=1")
    store.close()
    assert (tmp_path / "a.db").is_file()


@pytest.mark.parametrize("url", ["embedded:///", "embedded://host/file", "embedded:///file?mode=ro"])
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="embedded:///FILE"):
        open_metrics(url)


def test_a_file_that_can_not_be_opened_is_unavailable_and_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("this is no database, and long enough to be seen as none" * 20)
    for url in ("embedded:///file", "embedded:///file/below.db"):
        store = open_metrics(url, state_dir=tmp_path)
        with pytest.raises(Unavailable, match="TOCSIN_METRICS_URL"):
            store.ping(1)
        with pytest.raises(Unavailable, match="TOCSIN_METRICS_URL"):
            store.write(b"m v=1")
        store.close()


def test_a_file_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "metrics.db") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    store = open_metrics("embedded:///metrics.db", state_dir=tmp_path)
    with pytest.raises(Unavailable, match="version 99"):
        store.ping(1)


def test_points_outlive_the_process(store: MetricStore, tmp_path: Path) -> None:
    store.write(b"m,a=x v=1 5", precision="ms")
    store.close()
    again = open_metrics("embedded:///metrics.db", state_dir=tmp_path)
    assert values(again) == values(store) == [1.0]
    again.close()


def test_the_name_of_a_database_makes_no_difference(store: MetricStore) -> None:
    store.write(b"m v=1 5", database="telegraf")
    assert values(store) == [1.0]
    assert len(store.discover("other")) == 1


def test_a_bad_line_keeps_nothing_of_its_batch(store: MetricStore) -> None:
    for batch in (b"m v=1 1\nm v=2 2\nm", b'm v=1 1\nm v="text" 2', b"other n=1i 1\nm v=1 1\nother n=1 2"):
        with pytest.raises(InvalidInput):
            store.write(batch)
        assert store.discover() == []


def test_a_conflict_of_types_names_the_field_and_both_types(store: MetricStore) -> None:
    store.write(b"m v=1 1")
    with pytest.raises(InvalidInput, match=r"field 'v' of 'm' is float, and this value is integer"):
        store.write(b"m v=1i 2")


def test_unsigned_integers_are_kept(store: MetricStore) -> None:
    store.write(f"m v=7u 1\nm v={2**64 - 1}u 2".encode(), precision="ms")
    assert values(store) == [7.0, float(2**64)]


def test_several_processes_write_and_read_at_once(store: MetricStore, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from shared.metrics import open_metrics\n"
        "store = open_metrics('embedded:///metrics.db', state_dir=Path(sys.argv[1]))\n"
        "for n in range(50): store.write(f'm,who={sys.argv[2]} v={n} {n}'.encode(), precision='ms')\n"
        "store.close()"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path)]
    writers = [
        subprocess.Popen([*command, str(n)], cwd=ROOT, env=child_environment({}), stderr=subprocess.PIPE)
        for n in range(3)
    ]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        now = len(values(store))
        assert now >= seen
        seen = now
    assert [(writer.returncode, writer.communicate()[1]) for writer in writers] == [(0, b"")] * 3
    assert len(values(store)) == 150


def test_several_threads_share_one_store(store: MetricStore) -> None:
    def work(number: int) -> None:
        for n in range(20):
            store.write(f"m,who={number} v={n} {n}".encode(), precision="ms")
            values(store)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(values(store)) == 80


def test_after_an_hour_a_write_deletes_what_is_older_than_seven_days(
    store: MetricStore, tmp_path: Path
) -> None:
    file = sqlite3.connect(tmp_path / "metrics.db")
    store.write(b"probe v=1")
    (now,) = file.execute("SELECT last FROM series").fetchone()
    old, young = now - 8 * DAY_NS, now - 6 * DAY_NS
    store.write(f"m,a=old v=1 {old}\nm,a=both v=2 {old}\nm,a=both v=3 {young}\nm gone=1i {old}".encode())
    assert values(store) == [1.0, 2.0, 3.0]  # not yet an hour since the last look

    with file:
        file.execute("UPDATE purges SET at = at - 3601000000000")
    store.write(b'm gone="a string now"')
    assert values(store) == [3.0]
    assert [(one.measurement, dict(one.tags)) for one in store.discover(measurement="m")] == [
        ("m", {"a": ("both",)})
    ]
    file.close()


def test_an_estimate_of_series_is_discovered(store: MetricStore) -> None:
    store.write(b"m,a=x,b=1 v=1\nm,a=x,b=2 v=1\nm v=1")
    (found,) = store.discover()
    assert found.series_estimate == 3
