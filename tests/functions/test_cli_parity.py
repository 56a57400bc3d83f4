"""Whatever a tool does, a command does: as docs/conversation.md lists them, on the same use case."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
import typer.main

from shared.cli import app
from shared.conversation import tooling
from tests.support import docs

LISTED = {
    docs.code(tool)[0]: docs.code(command)[0].removeprefix("tocsin ").split()
    for tool, command in docs.rows(docs.section("docs/conversation.md", "The same by command"))
}
TOOLS = {spec.name: spec.fn for spec in tooling.declared()}


def command_of(words: list[str]) -> Callable[..., Any]:
    """The function behind a command. KeyError when there is no such command."""
    found: Any = typer.main.get_command(app)
    for word in words:
        found = found.commands[word]
    callback: Callable[..., Any] = inspect.unwrap(found.callback)
    return callback


def use_cases(fn: Callable[..., Any]) -> set[str]:
    """The use cases that a function calls, itself or by helpers of its module."""
    names = _called(fn)
    for name in re.findall(r"\b(_\w+)\(", inspect.getsource(fn)):
        helper = getattr(inspect.getmodule(fn), name, None)
        names |= _called(helper) if inspect.isfunction(helper) else set()
    # What makes repeating safe is not another use case.
    return {name.removesuffix("_once") for name in names}


def _called(fn: Callable[..., Any]) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(fn)))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        call.attr
        for call in calls
        if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id == "manage"
    }


def test_every_tool_is_listed_with_a_command_and_every_listed_one_is_a_tool() -> None:
    assert LISTED.keys() == TOOLS.keys()


@pytest.mark.parametrize("tool", sorted(TOOLS))
def test_the_command_of_a_tool_exists_and_calls_the_same_use_case(tool: str) -> None:
    theirs = use_cases(command_of(LISTED[tool]))

    assert use_cases(TOOLS[tool]) & theirs, f"{tool} and {' '.join(LISTED[tool])} do different things"


def test_a_command_that_does_something_else_would_be_noticed() -> None:
    assert not use_cases(TOOLS["list_alerts"]) & use_cases(command_of(["rules", "list"]))
