"""`tocsin doctor`: look at everything that Tocsin needs, and say what to do about what is wrong."""

import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from shared import terminal
from shared.cli import context
from shared.conversation import access
from shared.errors import InvalidInput
from shared.model import Millis
from shared.settings import Settings, SettingsError

if TYPE_CHECKING:
    from shared.manage.doctor.facts import Access, Finding

FAILED = 1
SOON_MS = 14 * 86_400_000


def doctor(
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help="The namespace of the Knative objects.")
    ] = "tocsin",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="How long one look may take.")
    ] = 10,
    json: context.Json = False,
) -> None:
    """Look at everything that Tocsin needs, and say what to do.

    Changes nothing. The exit status is 1 when something fails.
    """
    # Looks tell what they saw; what the code under them logs would say it a second time.
    logging.getLogger("tocsin").setLevel(logging.CRITICAL)
    found = _examined(namespace, timeout)
    if json:
        terminal.as_json(found)
    else:
        _show(found)
    if any(one.verdict.value == "fail" for one in found):
        raise typer.Exit(FAILED)


def _examined(namespace: str, seconds: float) -> "Sequence[Finding]":
    # Not at the top: drivers and HTTP, which no other command should wait for.
    from shared.manage.doctor import Finding, Verdict, examine
    from shared.manage.doctor.gather import gather

    try:
        with context.opened() as wiring:
            who = partial(_access, wiring.settings, wiring.clock())
            return examine(gather(wiring, wiring.environ, who, namespace, seconds))
    except SettingsError as error:
        fix = "Correct it: no process starts like this, and nothing else could be looked at"
        return [Finding("settings", Verdict.FAIL, line, fix) for line in str(error).splitlines()]


def _access(settings: Settings, now: Millis) -> "Access":
    """Who may use the MCP server. A file that is not there yet has no token."""
    from shared.manage.doctor.facts import Access, Trouble

    mode, file = settings.mcp_auth, settings.mcp_tokens_file
    if mode != "tokens" or file is None:
        return Access(mode, issuer=settings.mcp_issuer)
    if not file.exists():
        return Access(mode, str(file))
    try:
        entries = access.read_entries(file)
    except InvalidInput as error:
        return Access(mode, str(file), Trouble(str(error)))
    ends = {one.id: int(one.expires.timestamp() * 1000) for one in entries if one.expires}
    expired = tuple(name for name, end in ends.items() if end <= now)
    soon = tuple(name for name, end in ends.items() if now < end <= now + SOON_MS)
    return Access(mode, str(file), len(entries), expired, soon)


def _show(found: "Sequence[Finding]") -> None:
    rows = [(one.verdict.value, one.check, _words(one)) for one in found]
    terminal.table(("Result", "Check", "Found"), rows, "")
    counts = Counter(one.verdict.value for one in found)
    terminal.say(", ".join(f"{counts[word]} {word}" for word in ("ok", "warn", "fail", "skipped")) + ".")


def _words(one: "Finding") -> str:
    return f"{one.said}\n→ {one.fix}" if one.fix else one.said
