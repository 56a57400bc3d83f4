"""Which monitors are proposed for what a metric store holds."""

import pytest

from shared.columns import Discovered
from shared.metrics.mappings import Proposal, propose


def found(
    measurement: str, tags: dict[str, tuple[str, ...]] | str, fields: str, database: str = ""
) -> Discovered:
    """Tags by name alone or with values; fields are floats."""
    known = tags if isinstance(tags, dict) else dict.fromkeys(tags.split(), ("a", "b"))
    return Discovered(measurement, known, dict.fromkeys(fields.split(), "float"), database)


def proposal(measurement: str, tags: dict[str, tuple[str, ...]] | str, fields: str) -> Proposal:
    (only,) = propose([found(measurement, tags, fields)])
    return only


@pytest.mark.parametrize(
    ("measurement", "tags", "fields", "kind", "key"),
    [
        ("website", "name url", "is_up response_time status_code", "website", ("name", "url")),
        (
            "http_response",
            "host method result server status_code",
            "response_time result_code http_response_code",
            "website",
            ("host", "server", "method"),
        ),
        ("ping", "host url", "percent_packet_loss result_code", "ping", ("host", "url")),
        (
            "net_response",
            "host port protocol result server",
            "response_time result_code",
            "port",
            ("host", "server", "port", "protocol"),
        ),
        (
            "x509_cert",
            "common_name host issuer_common_name ocsp_stapled san serial_number source verification",
            "expiry age verification_code",
            "certificate",
            ("host", "source", "common_name"),
        ),
        ("cpu", "cpu host", "usage_idle usage_active", "cpu", ("host", "cpu")),
        ("mem", "host", "used_percent available", "memory", ("host",)),
        ("disk", "device fstype host label mode path", "used_percent free", "disk", ("host", "path")),
        ("system", "host", "load1 uptime", "system", ("host",)),
    ],
)
def test_a_known_measurement_is_proposed_with_its_own_identity(
    measurement: str, tags: str, fields: str, kind: str, key: tuple[str, ...]
) -> None:
    made = proposal(measurement, tags, fields)
    assert (made.kind, made.key, set(made.fields)) == (kind, key, set(fields.split()))
    assert made.why
    assert made.name


def test_only_tags_and_fields_that_are_there_are_proposed() -> None:
    made = proposal("http_response", "server", "response_time unheard_of")
    assert (made.key, list(made.fields)) == (("server",), ["response_time"])


def test_units_are_told_because_they_differ() -> None:
    assert proposal("http_response", "server", "response_time").fields["response_time"] == "seconds"
    assert proposal("website", "name", "response_time").fields["response_time"] == "milliseconds"


def test_a_name_that_only_looks_known_is_guessed() -> None:
    made = proposal("system", "room", "temperature")
    assert (made.kind, made.name, made.key, dict(made.fields)) == (
        "",
        "system",
        ("room",),
        {"temperature": "float"},
    )


@pytest.mark.parametrize(
    "tag",
    [
        "result",
        "status",
        "Status",
        "http_status",
        "state",
        "last_error",
        "error_code",
        "exit_code",
        "severity",
        "message",
    ],
)
def test_a_tag_that_says_how_things_are_is_never_identity(tag: str) -> None:
    made = proposal("orders", f"shop {tag}", "count")
    assert made.key == ("shop",)
    assert f"{tag} says how things are" in made.why


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ("request_id", ("1", "2")),
        ("traceId", ("1",)),
        ("job", ("3f2b8c1e-5d4a-4f6b-9c7d-8e9f0a1b2c3d", "0f2b8c1e-5d4a-4f6b-9c7d-8e9f0a1b2c3d")),
        ("at", ("1700000000000", "1700000000001")),
        ("started", ("2026-01-01T00:00:00Z",)),
    ],
)
def test_a_tag_that_never_repeats_is_no_identity(tag: str, values: tuple[str, ...]) -> None:
    made = proposal("jobs", {"queue": ("a",), tag: values}, "seconds")
    assert made.key == ("queue",)
    assert f"{tag} looks different for every point" in made.why


@pytest.mark.parametrize("tag", ["monitor_id", "device", "country_code", "host", "customer"])
def test_a_tag_that_names_a_thing_is_identity(tag: str) -> None:
    assert proposal("sensors", tag, "v").key == (tag,)


def test_a_measurement_without_tags_is_one_series() -> None:
    made = proposal("price", "", "usd")
    assert made.key == ()
    assert "all points are one series" in made.why


def test_measurements_without_fields_are_left_out_and_known_ones_come_first() -> None:
    made = propose([found("aaa", "t", "v"), found("website", "name", "is_up"), found("empty", "t", "")])
    assert [one.measurement for one in made] == ["website", "aaa"]


def test_the_database_goes_along() -> None:
    made = propose([found("m", "t", "v", "other"), found("cpu", "host", "usage_active", "other")])
    assert [one.database for one in made] == ["other", "other"]
