"""`tocsin tokens …`: tokens of the MCP server. Needs no database: they live in a file."""

from pathlib import Path
from typing import Annotated

import typer

from shared import terminal
from shared.cli import context
from shared.conversation import tokens_file
from shared.conversation.access import SETTING, Entry, Scope, read_entries
from shared.conversation.times import moment
from shared.model import Millis
from shared.wiring import Wiring

app = typer.Typer(help="Tokens: who may use the MCP server.", no_args_is_help=True)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is: written into the audit.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it allows; repeat for more. All, if left out.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help="90d, or a time with its zone; never, if left out.")
    ] = None,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Whose rules and alerts it sees.")] = "default",
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add its entry to this file of tokens.")
    ] = None,
) -> None:
    """Make a token and print it, this once; what is kept of it can't be turned back into it."""
    now = Wiring.clock()
    until = moment("--expires", expires, now, 1)
    scopes = tuple(one for one in Scope if one in (scope or Scope))
    token, entry = tokens_file.made(name, scopes, tenant, until, now)
    if file is not None:
        tokens_file.add(file, entry)
    terminal.say(token)
    if file is None:
        terminal.say(f"\ntokens:\n{tokens_file.as_yaml(entry)}".rstrip())
        terminal.warn(f"The entry belongs into the file of {SETTING}. The token is shown this once.")
    else:
        terminal.warn(f"{file} has its entry. The token is shown this once.")


@app.command("list")
def show_all(
    file: Annotated[Path, typer.Option(metavar="FILE", envvar=SETTING, help="The file of tokens.")],
    json: context.Json = False,
) -> None:
    """List the tokens of a file: who, what is allowed, and until when."""
    now = Wiring.clock()
    entries = read_entries(file, "--file")
    if json:
        terminal.as_json([one.model_dump(mode="json", exclude={"sha256"}) | _end(one) for one in entries])
        return
    rows = []
    for one in entries:
        end = _end(one)["expires"]
        shown = (
            "never"
            if end is None
            else f"{terminal.when(end)} (expired)"
            if end <= now
            else terminal.when(end)
        )
        rows.append((one.id, one.tenant, "\n".join(one.scopes), shown))
    terminal.table(("Name", "Tenant", "Scopes", "Expires"), rows, f"{file} has no token.")


def _end(entry: Entry) -> dict[str, Millis | None]:
    return {"expires": None if entry.expires is None else int(entry.expires.timestamp() * 1000)}
