"""What every command needs: the wiring of this process, who asks, and the options that many commands share."""

import getpass
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, cast

import typer
import typer.main

from shared.errors import InvalidInput
from shared.settings import Settings, settings
from shared.wiring import Wiring

Json = Annotated[bool, typer.Option("--json", help="Print JSON, with times in epoch milliseconds.")]
Limit = Annotated[int, typer.Option(metavar="NUMBER", help="How many at most.")]
Cursor = Annotated[str, typer.Option(metavar="TEXT", help="Where the page before ended.")]


@contextmanager
def opened() -> Iterator[Wiring]:
    """The wiring, closed afterwards."""
    given = settings()
    found = _of_stack(given.state_dir)
    wiring = Wiring(_chosen(given, found), {**found, **os.environ})
    try:
        yield wiring
    finally:
        wiring.close()


def actor() -> str:
    """Who is written into the audit, with the command that is running."""
    from shared.store.audit import Actor  # a command that changes nothing must not wait for SQL

    # Typer brings a click of its own, and this is the one part of it that has no public name.
    running = cast("Any", typer.main).get_current_context(silent=True)
    words = running.command_path.split()[1:] if running is not None else ()
    return Actor(f"cli:{person()}", " ".join(words))


def person() -> str:
    """The name of the user at this terminal."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` options as a mapping; a key that is given twice is an error."""
    found: dict[str, str] = {}
    for key, value in split(option, given):
        if key in found:
            raise InvalidInput(option, f"{key}={value}", f"{key!r} is given twice")
        found[key] = value
    return found


def split(option: str, given: Sequence[str]) -> list[tuple[str, str]]:
    """`KEY=VALUE` options as pairs, in their order."""
    found = []
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise InvalidInput(option, text, "expected KEY=VALUE")
        found.append((key.strip(), value))
    return found


def _chosen(given: Settings, found: Mapping[str, str]) -> Settings:
    """The settings; what nobody gave is as in the stack that runs in the same state folder."""
    names = {name: f"TOCSIN_{name.upper()}" for name in Settings.model_fields if name != "state_dir"}
    theirs = {
        name: found[variable]
        for name, variable in names.items()
        if variable in found and name not in given.model_fields_set
    }
    return Settings.model_validate({**given.model_dump(include=given.model_fields_set), **theirs})


def _of_stack(state: Path) -> dict[str, str]:
    """What `evaluate` sees in the stack of this state folder, and its Broker while it runs; nothing without one."""
    found: dict[str, str] = {}
    for name in ("environments/evaluate.json", "stack.json"):
        with suppress(OSError, ValueError):  # there is no stack, or it is just writing
            read = json.loads((state / name).read_text("utf-8"))
            if name == "stack.json":
                found["K_SINK"] = next(iter(read["brokers"].values()), "")
            else:
                found = {key: text for key, text in read.items() if key.startswith("TOCSIN_")}
    return found
