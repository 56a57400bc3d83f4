"""What every command needs: the wiring of this process, who asks, and the options that many commands share."""

import getpass
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from shared.errors import InvalidInput
from shared.settings import Settings, settings
from shared.wiring import Wiring

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Limit = Annotated[int, typer.Option(help="How many at most.")]
Cursor = Annotated[str, typer.Option(help="Where the page before ended.")]


@contextmanager
def opened() -> Iterator[Wiring]:
    """The wiring, closed afterwards."""
    wiring = Wiring(_chosen(settings()), os.environ)
    try:
        yield wiring
    finally:
        wiring.close()


def actor() -> str:
    """Who is written into the audit."""
    return f"cli:{person()}"


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


def _chosen(found: Settings) -> Settings:
    """The settings; without a channels file, that of the stack that runs in the same state folder."""
    if found.channels_file is not None:
        return found
    served = found.state_dir / "mounts" / "evaluate" / "channels" / "channels.yaml"
    return found.model_copy(update={"channels_file": served}) if served.is_file() else found
