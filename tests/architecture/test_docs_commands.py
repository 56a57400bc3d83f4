"""Every command that a page shows exists, with the options that it shows."""

from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from shared.cli import app
from shared.conditions import canonical
from shared.manage import condition_of
from tests.support import docs
from tests.support.docs import Command

COMMANDS = list(docs.commands())


def command_of(words: tuple[str, ...]) -> tuple[list[str], Any]:
    """The subcommand that the words name, and the words that lead there."""
    found: Any = typer.main.get_command(app)
    path: list[str] = []
    for word in words:
        inner = getattr(found, "commands", {}).get(word)
        if inner is None:
            break
        found, path = inner, [*path, word]
    return path, found


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(command.words)[:60] for command in COMMANDS])
def test_every_command_that_is_shown_exists_with_its_options(command: Command) -> None:
    path, found = command_of(command.words)

    assert path, f"{command.page}: tocsin {' '.join(command.words)} names no command"
    assert not hasattr(found, "commands"), f"{command.page}: tocsin {' '.join(path)} needs a command of it"
    known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    used = {word.partition("=")[0] for word in command.words if word.startswith("--")}
    assert used <= known | {"--help"}, f"{command.page}: {sorted(used - known)}"
    assert CliRunner().invoke(app, [*path, "--help"]).exit_code == 0


def test_every_condition_in_short_that_is_shown_is_one() -> None:
    shown = [
        command.words[command.words.index("--when") + 1] for command in COMMANDS if "--when" in command.words
    ]

    assert shown
    for words in shown:
        assert canonical(condition_of(words))["type"] == "threshold"


def test_the_readme_shows_commands() -> None:
    assert "README.md" in {command.page for command in COMMANDS}
