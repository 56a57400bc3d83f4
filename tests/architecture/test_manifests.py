"""The manifests agree with the code and with each other; read from what `kubectl kustomize` makes."""

import copy
import re
import tomllib
from collections.abc import Mapping
from itertools import combinations

import pytest

from shared import events
from shared.model import ChannelRef, EventKind, Notification, RuleFacts, Severity
from shared.settings import Settings
from tests.support import manifests
from tests.support.manifests import (
    ROOT,
    Manifest,
    container,
    environment,
    of_kind,
    pod,
    rendered,
    values,
    workloads,
)

CLAIM_LEASE_SECONDS = 25


@pytest.fixture(params=manifests.overlays())
def objects(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """All objects of base, then of each overlay."""
    return rendered(request.param)


def route_of(trigger: Manifest) -> str:
    """The one attribute that a Trigger asks for."""
    ((attribute, value),) = trigger["spec"]["filter"]["attributes"].items()
    assert value == "true"
    return str(attribute)


# ------------------------------------------------------------------ code


def test_every_function_source_and_target_exists_under_the_name_of_its_service(
    objects: tuple[Manifest, ...],
) -> None:
    for name, service in of_kind(objects, "Service").items():
        target = name.replace("-", "_")
        assert environment(service)["FUNCTION_TARGET"] == target
        assert environment(service)["FUNCTION_SOURCE"] == f"functions/{target}/main.py"
        assert target in manifests.functions_in(ROOT / "functions" / target / "main.py")


def test_every_function_in_the_code_has_a_service() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/main.py")}

    assert folders == {name.replace("-", "_") for name in of_kind(rendered("overlays/laptop"), "Service")}


def test_every_setting_in_the_manifests_is_one_that_the_code_reads(objects: tuple[Manifest, ...]) -> None:
    used = set(values(objects, "tocsin"))
    for workload in workloads(objects).values():
        used |= {name for name in environment(workload) if name.startswith("TOCSIN_")}
    for secret in of_kind(objects, "Secret").values():
        used |= {name for name in manifests.keys(secret) if name.startswith("TOCSIN_")}

    assert {
        name for name in used if name.removeprefix("TOCSIN_").lower() not in Settings.model_fields
    } == set()


def test_the_settings_of_every_workload_are_valid(
    objects: tuple[Manifest, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for workload in workloads(objects).values():
        with monkeypatch.context() as patch:
            for name, value in (values(objects, "tocsin") | environment(workload)).items():
                patch.setenv(name, value)
            assert Settings().tenant == "default"


def test_the_image_is_the_release_that_the_package_names(objects: tuple[Manifest, ...]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    (image,) = {container(workload)["image"] for workload in workloads(objects).values()}

    assert image.rpartition("/")[2] == f"tocsin:{version}"


# ------------------------------------------------------------------ events


def test_every_channel_kind_has_exactly_one_trigger_and_a_function() -> None:
    kinds = manifests.channel_kinds()
    triggers = of_kind(rendered("base"), "Trigger")

    assert sorted(map(route_of, triggers.values())) == sorted(events.route(kind) for kind in kinds)
    assert {trigger["spec"]["subscriber"]["ref"]["name"] for trigger in triggers.values()} == {
        f"notify-{kind}" for kind in kinds
    }


def woken(objects: tuple[Manifest, ...], attributes: Mapping[str, str]) -> list[str]:
    """The functions that the Broker would send an event to: a filter's empty value matches any."""
    return sorted(
        trigger["spec"]["subscriber"]["ref"]["name"]
        for trigger in of_kind(objects, "Trigger").values()
        if all(
            name in attributes and value in ("", attributes[name])
            for name, value in trigger["spec"]["filter"]["attributes"].items()
        )
    )


@pytest.mark.parametrize("event", EventKind)
def test_an_event_wakes_exactly_the_functions_of_its_routes(
    objects: tuple[Manifest, ...], event: EventKind
) -> None:
    kinds = sorted(manifests.channel_kinds())
    notification = Notification(
        id="n1",
        event=event,
        seq=1,
        slot=0,
        severity=Severity.HIGH,
        rule=RuleFacts(id="rule_1", title="CPU"),
        channels=tuple(ChannelRef(kind=kind, name="ops") for kind in kinds),
    )
    unrouted = events.notification_event(notification, at=0)
    for count in range(len(kinds) + 1):
        for chosen in combinations(kinds, count):
            attributes = events.routed(unrouted, chosen).attributes

            assert woken(objects, attributes) == [f"notify-{kind}" for kind in chosen]


def test_a_trigger_that_matches_too_much_would_be_noticed() -> None:
    objects = copy.deepcopy(rendered("base"))
    of_kind(objects, "Trigger")["notify-slack"]["spec"]["filter"]["attributes"] = {"tenant": ""}

    assert woken(objects, {"tenant": "default", "toemail": "true"}) == ["notify-email", "notify-slack"]


def test_every_trigger_has_a_full_delivery_block_with_a_dead_letter_sink_of_its_kind(
    objects: tuple[Manifest, ...],
) -> None:
    for trigger in of_kind(objects, "Trigger").values():
        kind = route_of(trigger).removeprefix(events.ROUTE_PREFIX)

        assert trigger["spec"]["delivery"] == {
            "retry": 5,
            "backoffPolicy": "exponential",
            "backoffDelay": "PT1S",
            "timeout": "PT30S",
            "deadLetterSink": {
                "ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "dead-letter"},
                "uri": f"/kind/{kind}",
            },
        }


def test_retries_outlast_a_claim_and_an_attempt_ends_before_its_function_is_stopped() -> None:
    services = of_kind(rendered("base"), "Service")
    for trigger in of_kind(rendered("base"), "Trigger").values():
        delivery = trigger["spec"]["delivery"]
        waits = sum(2**attempt for attempt in range(delivery["retry"]))
        attempt_seconds = int(re.fullmatch(r"PT(\d+)S", delivery["timeout"])[1])  # type: ignore[index]  # checked above

        assert waits > CLAIM_LEASE_SECONDS
        assert attempt_seconds < pod(services[trigger["spec"]["subscriber"]["ref"]["name"]])["timeoutSeconds"]


def test_every_ping_source_says_the_interval_of_its_schedule(objects: tuple[Manifest, ...]) -> None:
    sources = of_kind(objects, "PingSource")
    assert "tick" in sources
    for source in sources.values():
        assert source["spec"]["contentType"] == "application/json"
        assert manifests.seconds_between_ticks(source["spec"]["schedule"]) == {
            manifests.ping_interval(source)
        }


def test_a_tick_is_over_before_its_function_is_stopped(objects: tuple[Manifest, ...]) -> None:
    budget = manifests.ping_interval(of_kind(objects, "PingSource")["tick"]) * 5 / 6

    assert budget < pod(of_kind(objects, "Service")["evaluate"])["timeoutSeconds"]


def test_evaluate_is_told_where_the_broker_is() -> None:
    bindings = of_kind(rendered("base"), "SinkBinding").values()

    assert {binding["spec"]["subject"]["name"] for binding in bindings} >= {"evaluate"}
    assert {binding["spec"]["sink"]["ref"]["kind"] for binding in bindings} == {"Broker"}
