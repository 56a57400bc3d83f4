"""`tocsin templates …`: ready-made rules, and which of them a monitor can have."""

import json as jsonlib
from typing import Annotated

import typer

from shared import manage, terminal
from shared.cli import context
from shared.model import SEVERITY_WORDS

app = typer.Typer(help="Templates: ready-made rules.", no_args_is_help=True)

On = Annotated[
    str,
    typer.Option("--monitor", metavar="NAME", help="Only what fits this monitor (id or name), and why not."),
]


@app.command("list")
def show_all(monitor: On = "", json: context.Json = False) -> None:
    """List ready-made rules; `tocsin rules add --template NAME --monitor X` makes one."""
    if not monitor:
        every = manage.list_templates()
        if json:
            terminal.as_json(every)
            return
        terminal.table(("Name", "What it tells", "Severity"), [_row(one) for one in every], "There are none.")
        return
    with context.opened() as wiring:
        found = manage.match_templates(wiring, monitor, now=wiring.clock())
    if json:
        terminal.as_json(found)
        return
    if found.trouble:
        terminal.warn(f"only the names of the fields were compared: {found.trouble}")
    rows = [
        (one.template.name, f"{one.template.about}\n{_asked(one)}", one.field.name) for one in found.fitting
    ]
    none = f"No template fits {found.monitor.name}."
    terminal.table(("Name", "What it tells", "Field"), rows, none)
    others = [(one.template.name, one.why) for one in found.others]
    if others:
        terminal.table(("Does not fit", "Why"), others, "")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="TEMPLATE", help="Its name, from the list.")],
    json: context.Json = False,
) -> None:
    """Show everything about one template."""
    one = manage.get_template(name)
    if json:
        terminal.as_json(one)
        return
    terminal.facts(
        [
            ("Name", one.name),
            ("Title", one.title),
            ("What it tells", one.about),
            ("Severity", _severity(one)),
            ("Message", one.description),
            ("You give", "\n".join(f"{key}: {meaning}" for key, meaning in one.asks.items())),
            *((key, value) for key, value in one.rule.items()),
            *(("Condition", _variant(variant)) for variant in one.variants),
        ]
    )


def _row(one: "manage.Template") -> tuple[str, str, str]:
    asked = "".join(f"\nyou give {key}: {meaning}" for key, meaning in one.asks.items())
    return one.name, one.about + asked, _severity(one)


def _severity(one: "manage.Template") -> str:
    return SEVERITY_WORDS[one.severity].word


def _asked(one: "manage.FittingTemplate") -> str:
    if not one.template.asks:
        return one.text
    lately = f" (at last {terminal.number(one.field.latest)})" if one.field.latest is not None else ""
    return "\n".join(f"you give {key}: {meaning}{lately}" for key, meaning in one.template.asks.items())


def _variant(one: "manage.TemplateVariant") -> str:
    names = "any field" if "*" in one.fields else " or ".join(one.fields)
    return f"{names}: {jsonlib.dumps(one.condition)}"
