"""What a tool is: a function with typed arguments, and how it becomes one of the SDK's, stricter than by default.

A tool takes a `Call` and its arguments and returns an `Out`, whose fields are the structured result; the text is the
same as compact JSON. Unknown arguments are refused: the SDK would drop them, and a typo would go unnoticed.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, Protocol

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, ConfigDict

from shared import manage
from shared.conversation import refusals, schemas
from shared.conversation.access import Scope
from shared.errors import TocsinError
from shared.leases import Leases
from shared.model import Millis

PACKAGE = "shared.conversation.tools"


class Ports(manage.Ports, Protocol):
    """What the conversation needs. `shared.wiring.Wiring` is one."""

    @property
    def leases(self) -> Leases: ...
    def of_tenant(self, tenant: str) -> "Ports": ...
    def clock(self) -> Millis: ...


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, when, and the ports of their tenant. `actor` is written into the audit."""

    ports: Ports
    person: str
    actor: str
    now: Millis

    @property
    def tenant(self) -> str:
        return self.ports.settings.tenant


class Out(BaseModel):
    """The result of a tool. What is None is left out."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Spec:
    """A tool as it is declared: its function, whose docstring says when to use it and when not."""

    fn: Callable[..., Out]
    title: str
    scope: Scope
    hints: ToolAnnotations

    @property
    def name(self) -> str:
        return self.fn.__name__


Declared = Callable[..., Out]


def tool(
    title: str, scope: Scope, *, destructive: bool = False, idempotent: bool = False, outside: bool = False
) -> Callable[[Declared], Declared]:
    """Declare a tool. `outside`: it reaches somebody beyond Tocsin."""
    reads = scope is Scope.READ
    hints = ToolAnnotations(
        title=title,
        read_only_hint=reads,
        destructive_hint=destructive,
        idempotent_hint=reads or idempotent,
        open_world_hint=outside,
    )

    def declare(fn: Declared) -> Declared:
        fn.__dict__["spec"] = Spec(fn, title, scope, hints)
        return fn

    return declare


def declared() -> Sequence[Spec]:
    """Every tool, always in the same order: by module, then as written there."""
    found = []
    for info in sorted(iter_modules(import_module(PACKAGE).__path__), key=lambda one: one.name):
        module = import_module(f"{PACKAGE}.{info.name}")
        found += [
            spec
            for thing in vars(module).values()
            if isinstance(spec := getattr(thing, "spec", None), Spec) and thing.__module__ == module.__name__
        ]
    return found


def made(spec: Spec, call_of: Callable[[str], Call]) -> Tool:
    """The SDK's tool. `call_of(tool)` says who asks; it is called in the thread that runs the tool."""

    def run(**arguments: Any) -> CallToolResult:
        # Once more: objects that came as JSON texts have been read only now.
        plain = {
            name: one.model_dump() if isinstance(one, BaseModel) else one for name, one in arguments.items()
        }
        if why := refusals.unplain(plain):
            raise ToolError(why)
        try:
            return result(spec.fn(call_of(spec.name), **arguments))
        except TocsinError as error:
            raise ToolError(refusals.of_error(error, spec.name)) from error

    signature = inspect.signature(spec.fn)
    run.__name__ = spec.name
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]  # inspect reads it
        parameters=list(signature.parameters.values())[1:],
        return_annotation=Annotated[CallToolResult, signature.return_annotation],
    )
    description = inspect.getdoc(spec.fn) or ""
    found = Tool.from_function(
        run, spec.name, spec.title, " ".join(description.split()), annotations=spec.hints
    )
    model = found.fn_metadata.arg_model
    model.model_config = {**model.model_config, "extra": "forbid"}
    model.model_rebuild(force=True)
    found.parameters = schemas.asked(model.model_json_schema(by_alias=True))
    if found.fn_metadata.output_schema is not None:
        found.fn_metadata.output_schema = schemas.inlined(found.fn_metadata.output_schema)
    return found


def result(out: Out) -> CallToolResult:
    """Structured, and as compact JSON for clients that read text only."""
    text = out.model_dump_json(exclude_none=True)
    structured = out.model_dump(mode="json", exclude_none=True)
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)


@functools.cache
def argument_names(fn: Declared) -> Mapping[str, inspect.Parameter]:
    """The arguments of a tool by name."""
    return dict(list(inspect.signature(fn).parameters.items())[1:])
