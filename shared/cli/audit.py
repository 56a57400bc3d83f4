"""`tocsin audit`: who changed what, by which tool or command."""

from json import loads
from typing import Annotated, Any

import typer

from shared import manage, terminal
from shared.cli import context


def audit(
    about: Annotated[
        str, typer.Argument(metavar="ID", help="Only of this rule, monitor, alert, silence, … (its id).")
    ] = "",
    limit: context.Limit = 50,
    cursor: context.Cursor = "",
    json: context.Json = False,
) -> None:
    """Who changed what, newest first, and what was different."""
    with context.opened() as wiring:
        page = manage.list_changes(wiring, about=about, limit=limit, cursor=cursor)
    if json:
        rows = [
            {**terminal.plain(row), "before": _read(row.before), "after": _read(row.after)}
            for row in page.items
        ]
        terminal.as_json({"items": rows, "cursor": page.cursor})
        return
    heading, times = terminal.times("At", [row.at for row in page.items])
    terminal.table(
        (heading, "Who", "By", "Action", "Id", "Different"),
        [
            (at, row.actor, row.tool, row.action, row.object, _different(_read(row.before), _read(row.after)))
            for at, row in zip(times, page.items, strict=True)
        ],
        "Nothing was changed yet." if not about else "Nothing of that id was changed.",
    )
    if page.cursor:
        terminal.say(f"More: --cursor {page.cursor}")


def _read(text: str | None) -> dict[str, Any] | None:
    return None if text is None else loads(text)


def _different(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """The fields that changed; of what is new or gone, nothing: its action says so."""
    if before is None or after is None:
        return ""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    shown = [name for name in names if name not in ("version", "updated_at", "revision")]
    return "\n".join(f"{name}: {_short(before.get(name))} → {_short(after.get(name))}" for name in shown)


def _short(value: object) -> str:
    text = "nothing" if value is None or value == "" else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
