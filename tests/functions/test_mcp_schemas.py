"""What clients are told of the tools: as it is written down, and in the form that every client understands."""

from collections.abc import Iterator
from typing import Any

import pytest
from mcp.server.mcpserver.tools import Tool

from shared.conversation import schemas
from shared.conversation.access import Scope
from shared.conversation.tooling import Spec
from tests.support import mcp_docs

TOOLS = {spec.name: (spec, tool) for spec, tool in mcp_docs.tools()}
CUSTOMER = {
    "create_alert_rule",
    "list_alert_rules",
    "list_alerts",
    "acknowledge_alert",
    "update_alert_rule",
    "delete_alert_rule",
}


@pytest.fixture(params=sorted(TOOLS))
def one(request: pytest.FixtureRequest) -> tuple[Spec, Tool]:
    return TOOLS[request.param]


def keys(schema: Any) -> Iterator[str]:
    """Every key of a schema but the names of properties."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield key
            yield from (
                (word for inner in value.values() for word in keys(inner))
                if key == "properties"
                else keys(value)
            )
    elif isinstance(schema, list):
        for inner in schema:
            yield from keys(inner)


def test_there_are_no_more_tools_than_clients_show() -> None:
    assert len(TOOLS) <= 25
    assert set(TOOLS) >= CUSTOMER


@pytest.mark.parametrize(
    "name", sorted({*mcp_docs.snapshots(), *(path.name for path in mcp_docs.SNAPSHOTS.iterdir())})
)
def test_what_a_client_is_told_is_what_was_written_down(name: str) -> None:
    # A change that is meant is written down by `python -m tests.support.mcp_docs`.
    assert (mcp_docs.SNAPSHOTS / name).read_text(encoding="utf-8") == mcp_docs.snapshots()[name]


def test_the_page_about_the_conversation_lists_every_tool_as_it_is() -> None:
    text = mcp_docs.PAGE.read_text(encoding="utf-8")

    assert text == mcp_docs.page(text)


def test_a_tool_says_when_to_use_it_and_what_every_argument_means(one: tuple[Spec, Tool]) -> None:
    spec, tool = one

    assert "Use it" in tool.description
    assert spec.title
    assert len(spec.name) <= 64
    hints = spec.hints
    assert None not in (
        hints.read_only_hint,
        hints.destructive_hint,
        hints.idempotent_hint,
        hints.open_world_hint,
    )
    assert hints.read_only_hint is (spec.scope is Scope.READ)
    assert not (hints.read_only_hint and hints.destructive_hint)
    assert [
        name for name, schema in tool.parameters["properties"].items() if not schema.get("description")
    ] == []


def test_what_a_tool_asks_for_has_no_references_and_no_null(one: tuple[Spec, Tool]) -> None:
    asked = one[1].parameters

    assert {"$ref", "$defs", "title", "discriminator"} & set(keys(asked)) == set()
    assert "'null'" not in repr(asked)
    assert asked["additionalProperties"] is False


def test_what_a_tool_answers_is_an_object_without_references(one: tuple[Spec, Tool]) -> None:
    answered = one[1].output_schema

    assert answered is not None
    assert answered["type"] == "object"
    assert {"$ref", "$defs"} & set(keys(answered)) == set()


def test_a_condition_is_described_whole_with_the_most_common_first() -> None:
    described = schemas.condition()["oneOf"]

    assert [one["properties"]["type"]["const"] for one in described] == [
        "threshold",
        "absence",
        "all",
        "any",
        "change",
    ]
    assert {one["additionalProperties"] for one in described} == {False}
