"""During an upgrade programs of both versions run: each reads the other's events."""

import copy
import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared import events
from shared.events import Event
from shared.model import EventKind
from tests.support import old_events
from tests.support.old_events import KEYS, Kept
from tests.support.processes import ROOT

EARLIER = old_events.kept()


def test_events_of_every_type_are_kept_of_the_version_that_is_being_made() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert {one.kind for one in EARLIER if one.version == version} == set(EventKind)


@pytest.mark.parametrize("earlier", EARLIER, ids=str)
def test_an_event_of_an_earlier_version_is_verified_and_read_whole(earlier: Kept) -> None:
    event = events.of_http(earlier.headers, earlier.body)

    events.verify(event, KEYS)
    read = events.notification_of(event)
    assert event.body == earlier.body
    for name, was in json.loads(earlier.body).items():
        assert json.loads(read.model_dump_json())[name] == was, name


@pytest.mark.parametrize("earlier", EARLIER, ids=str)
def test_todays_event_has_everything_that_an_earlier_reader_needs(earlier: Kept) -> None:
    headers, body = events.to_http(old_events.event(earlier.kind))

    lost = old_events.missing(old_events.shape(json.loads(earlier.body)), old_events.shape(json.loads(body)))
    assert lost == []
    # What Triggers filter on, what orders messages, what an earlier reader checks the signature of.
    changed = {name for name, text in earlier.headers.items() if headers.get(name) != text}
    assert changed <= {"ce-tocsinsig"}, "only what is signed, the body, may have grown"


@pytest.mark.parametrize("earlier", EARLIER, ids=str)
def test_what_an_earlier_version_signed_is_signed_the_same_today(earlier: Kept) -> None:
    event = events.of_http(earlier.headers, earlier.body)

    assert events.sign(event, KEYS).attributes[events.SIGNATURE] == earlier.headers["ce-tocsinsig"]


@pytest.mark.parametrize("earlier", EARLIER, ids=str)
def test_what_a_later_version_adds_is_left_aside(earlier: Kept) -> None:
    event = events.of_http({**earlier.headers, "ce-oflater": "new"}, earlier.body)
    data = event.json()
    for inner in _objects(data):
        inner["of_later"] = {"anything": [1, None]}
    later = events.sign(replace(event, body=json.dumps(data).encode()), KEYS)

    events.verify(later, KEYS)
    assert events.notification_of(later) == events.notification_of(event)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a fixed form; labels, conditions and the like hold whatever people wrote."""
    if isinstance(value, dict):
        for name, inner in list(value.items()):
            if name not in ("labels", "condition"):
                yield from _objects(inner)
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data.pop("seq"), "data.seq is gone"),
        (lambda data: data["rule"].pop("title"), "data.rule.title is gone"),
        (lambda data: data["alerts"][0].update(severity=3), "data.alerts[].severity was str, and is int"),
    ],
)
def test_what_an_earlier_reader_would_miss_is_noticed(change: Any, says: str) -> None:
    (earlier,) = [one for one in EARLIER if str(one) == "0.1.0 firing"]
    wanted = json.loads(earlier.body)
    there = copy.deepcopy(wanted)
    change(there)

    assert old_events.missing(old_events.shape(wanted), old_events.shape(there)) == [says]


def test_an_event_without_trace_context_and_one_with_it_say_the_same() -> None:
    event = old_events.event(EventKind.FIRING)
    traced = Event({**event.attributes, "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}, event.body)

    events.verify(traced, KEYS)
    assert events.notification_of(traced) == events.notification_of(event)
