"""The host monitor: this machine's own numbers under Telegraf's names, and the function that writes them."""

import socket

from shared.metrics._line_protocol import parse
from shared.monitors import host
from shared.monitors.points import line
from tests.support.functions import post_tick, running_function
from tests.support.sink import Reply, Sink

NOW = 1_700_000_000_000


def test_a_reading_becomes_telegrafs_measurements_tags_and_fields() -> None:
    reading = host.HostReading(12, 50, 49.5, {"/": 80, "/da ta": 1.5}, 0.25, 4)
    assert [line(point) for point in host.points(reading, "my host", NOW)] == [
        rf"cpu,cpu=cpu-total,host=my\ host usage_active=12.0 {NOW}",
        rf"mem,host=my\ host used_percent=50.0,available_percent=49.5 {NOW}",
        rf"disk,host=my\ host,path=/ used_percent=80.0 {NOW}",
        rf"disk,host=my\ host,path=/da\ ta used_percent=1.5 {NOW}",
        rf"system,host=my\ host load1=0.25,n_cpus=4i {NOW}",
    ]


def test_this_machine_can_be_read() -> None:
    reading = host.look()
    percentages = [reading.cpu_percent, reading.memory_percent, reading.memory_available_percent]
    assert all(0 <= value <= 100 for value in [*percentages, *reading.disks.values()])
    assert reading.memory_available_percent > 0
    assert "/" in reading.disks
    assert reading.cpus >= 1


def test_a_tick_writes_this_machines_points() -> None:
    with (
        Sink(Reply(204)) as sink,
        running_function("monitor_host", {"TOCSIN_WRITE_URL": sink.url}) as process,
    ):
        reply = post_tick(process.url, NOW)
        assert (reply.status_code, reply.content) == (204, b"")
        (written,) = sink.requests
    seen = parse(written.body, "ms", 0)
    assert {point.measurement for point in seen} == {"cpu", "mem", "disk", "system"}
    assert {point.tags["host"] for point in seen} == {socket.gethostname()}
    assert len({point.time for point in seen}) == 1
