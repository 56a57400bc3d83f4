"""What is written down of the tools: a snapshot of each schema, and their part of docs/conversation.md.

`python -m tests.support.mcp_docs` writes both anew; look at what changed before you commit it: clients and habits
hang on it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mcp.server.mcpserver.tools import Tool

from shared.conversation import prompts, resources, tooling
from shared.conversation.tooling import Call, Spec
from tests.support.docs import ROOT

PAGE = ROOT / "docs" / "conversation.md"
SNAPSHOTS = ROOT / "tests" / "functions" / "snapshots"
BEGIN, END = "<!-- tools: written by tests/support/mcp_docs.py -->", "<!-- end of tools -->"


def tools() -> Sequence[tuple[Spec, Tool]]:
    """Every tool as it is declared and as it is made."""

    def nobody(_tool: str) -> Call:
        raise AssertionError("a tool is only looked at here")

    return [(spec, tooling.made(spec, nobody)) for spec in tooling.declared()]


def snapshots() -> Mapping[str, str]:
    """What a client is told of each tool, by file name."""
    return {f"{spec.name}.json": _snapshot(spec, tool) for spec, tool in tools()}


def _snapshot(spec: Spec, tool: Tool) -> str:
    told = {
        "title": tool.title,
        "description": tool.description,
        "scope": spec.scope.value,
        "annotations": spec.hints.model_dump(exclude_none=True),
        "input": tool.parameters,
        "output": tool.output_schema,
    }
    return json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def page(text: str) -> str:
    """The page with the part about the tools as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return (
        before
        + BEGIN
        + "\n\n"
        + "\n".join(_section(spec, tool) for spec, tool in tools())
        + "\n"
        + "\n".join([*_resources(), "", *_prompts(), ""])
        + "\n"
        + END
        + after
    )


def _section(spec: Spec, tool: Tool) -> str:
    lines = [
        f"### {spec.name}",
        "",
        tool.description,
        "",
        f"Scope `{spec.scope.value}`; {_effect(spec)}.",
        "",
    ]
    arguments = tool.parameters["properties"]
    if arguments:
        required = tool.parameters.get("required", [])
        lines += ["| argument | default | meaning |", "| --- | --- | --- |"]
        lines += [_row(name, schema, name in required) for name, schema in arguments.items()]
        lines.append("")
    return "\n".join(lines)


def _resources() -> Sequence[str]:
    return [
        "## Resources",
        "",
        "What can be put into a conversation by its address; all of it is told by tools, too. Each needs the scope "
        f"`{resources.SCOPE.value}`. Ids and names are completed where the client asks for it.",
        "",
        "| address | what it is |",
        "| --- | --- |",
        *(f"| `{thing.uri}` | {thing.description} |" for thing in resources.THINGS),
        *(f"| `{document.uri}` | {document.description} |" for document in resources.DOCUMENTS),
    ]


def _prompts() -> Sequence[str]:
    rows = []
    for spec in prompts.PROMPTS:
        made = spec.made()
        given = [
            f"`{one.name}`{'' if one.required else ' (may be left out)'}: {one.description}"
            for one in made.arguments or ()
        ]
        rows.append(f"| `{spec.name}` | {made.description} | {' '.join(given)} | `{spec.scope.value}` |")
    return [
        "## Prompts",
        "",
        "Tasks that people start by name, in Claude Code as `/mcp__tocsin__triage`. They say which tools to call in "
        "which order; no text of an alert is part of them.",
        "",
        "| prompt | what it is for | arguments | scope |",
        "| --- | --- | --- | --- |",
        *rows,
    ]


def _effect(spec: Spec) -> str:
    if spec.hints.read_only_hint:
        return "changes nothing"
    if spec.hints.open_world_hint:
        return "people get a message"
    return (
        "takes something away or overwrites it"
        if spec.hints.destructive_hint
        else "adds or changes something"
    )


def _row(name: str, schema: Mapping[str, Any], required: bool) -> str:
    default = (
        "required" if required else f"`{json.dumps(schema['default'])}`" if schema.get("default") else ""
    )
    words = [schema.get("description", "").replace("|", "\\|")]
    if "enum" in schema:
        words.append("One of " + ", ".join(f"`{one}`" for one in schema["enum"]) + ".")
    if name == "condition":
        words.append("All that it can say is in [conditions](conditions.md).")
    return f"| `{name}` | {default} | {' '.join(word for word in words if word)} |"


def main() -> None:
    """Write everything anew."""
    SNAPSHOTS.mkdir(exist_ok=True)
    made = snapshots()
    for old in SNAPSHOTS.glob("*.json"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (SNAPSHOTS / name).write_text(text, encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
