"""`tocsin rules export` and `tocsin rules apply`: monitors, rules and silences as a file, which can live in git."""

import json as jsonlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from shared import manage, terminal
from shared.cli import context
from shared.errors import InvalidInput, TocsinError
from shared.wiring import Wiring

_MARKS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}
_MOST_PROBLEMS = 20
DIFFERENT = 3
"""The exit status that says that there are differences, where it was asked for."""


def export(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Where to write it; to the terminal, if left out.")
    ] = "-",
) -> None:
    """Write monitors, rules and silences as one YAML file."""
    with context.opened() as wiring:
        text = manage.export_rules(wiring, now=wiring.clock())
    if file == "-":
        sys.stdout.write(text)
        return
    _write(Path(file), text)
    terminal.say(f"Wrote {file}.")


def apply(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What `rules export` wrote; - reads it from a pipe.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove what is not in the file.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite what was changed since the file was exported.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before it is written.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --dry-run: end with 3 when there are differences.")
    ] = False,
    json: context.Json = False,
) -> None:
    """Make monitors, rules and silences be as a file says.

    What would change is shown first. All of it is written, or nothing.
    """
    text = _read(file)
    with context.opened() as wiring:
        plan = manage.plan_rules(wiring, text, prune=prune, force=force, now=wiring.clock())
        if json:
            terminal.as_json(_plain(plan))
        else:
            _show(plan)
        _refuse(plan)
        if dry_run:
            raise typer.Exit(DIFFERENT if exit_code and plan.changes else 0)
        if plan.changes:
            _apply(wiring, text, plan, prune, force, yes, json)


def _apply(
    wiring: Wiring, text: str, plan: "manage.FilePlan", prune: bool, force: bool, yes: bool, json: bool
) -> None:
    if not yes:
        if not sys.stdin.isatty():
            raise InvalidInput(
                "--yes", None, "nobody is there to ask: give it to apply, or --dry-run to look only"
            )
        typer.confirm("Apply this?", abort=True)
    manage.apply_rules(
        wiring, text, prune=prune, force=force, seen=plan,
        by=context.person(), actor=context.actor(), now=wiring.clock(),
    )  # fmt: skip
    if not json:
        terminal.say(f"Applied: {_counted(plan)}.")


def _refuse(plan: "manage.FilePlan") -> None:
    """End with 2 for what can't be applied, all of it said."""
    said = [str(problem) for problem in plan.problems] or list(plan.stale)
    if not said:
        return
    for text in said[:_MOST_PROBLEMS]:
        terminal.fail(text)
    if len(said) > _MOST_PROBLEMS:
        terminal.fail(f"and {len(said) - _MOST_PROBLEMS} more")
    hint = "" if plan.problems else " Export again and repeat your change, or overwrite theirs with --force."
    terminal.fail(f"Nothing was changed.{hint}")
    raise typer.Exit(2)


# ------------------------------------------------------------------ files


def _read(file: str) -> str:
    try:
        return sys.stdin.buffer.read().decode() if file == "-" else Path(file).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("FILE", file, f"it is no UTF-8: {error}") from None
    except OSError as error:
        raise InvalidInput("FILE", file, f"it can't be read: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    """All of it, or what was there before."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InvalidInput("FILE", str(path), f"it can't be written: {error.strerror}") from None


# ------------------------------------------------------------------ what is shown


def _show(plan: "manage.FilePlan") -> None:
    for text in plan.notes:
        terminal.warn(text)
    for one in plan.changes:
        mark, style = _MARKS[one.how]
        terminal.say(f"{mark} {one.kind} {one.name}" + (f" ({one.id})" if one.how != "added" else ""), style)
        for field in one.fields:
            terminal.say(f"    {field.field}: {_value(field.old)} → {_value(field.new)}", style)
    if plan.problems:
        return
    terminal.say(
        f"{_counted(plan)}; {plan.unchanged} as they are." if plan.changes else "Nothing is different."
    )


def _counted(plan: "manage.FilePlan") -> str:
    hows = [one.how for one in plan.changes]
    return ", ".join(f"{hows.count(how)} {how}" for how in _MARKS if how in hows)


def _value(value: Any) -> str:
    return "nothing" if value is None else jsonlib.dumps(value, ensure_ascii=False)


def _plain(plan: "manage.FilePlan") -> dict[str, Any]:
    errors: list[TocsinError] = list(plan.problems)
    return {
        "changes": terminal.plain(plan.changes),
        "unchanged": plan.unchanged,
        "notes": list(plan.notes),
        "problems": [str(error) for error in errors],
        "stale": list(plan.stale),
    }
