"""The names of shared.manage, which are imported when they are first used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from shared import manage

HEAVY = ("numpy", "sqlalchemy", "alembic", "httpx", "redis", "yaml")


def test_every_name_that_the_types_know_is_found_when_it_is_used() -> None:
    assert manage.__file__ is not None
    tree = ast.parse(Path(manage.__file__).read_text())
    typed = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }

    assert typed == {name for name in typed if getattr(manage, name).__name__ == name}
    assert "create_rule" in typed


def test_a_name_that_does_not_exist_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'rule_create'"):
        getattr(manage, "rule_create")  # noqa: B009  # mypy would refuse it as an attribute


def test_help_waits_for_no_heavy_library() -> None:
    asked = f"import sys, shared.cli; print([name for name in {HEAVY} if name in sys.modules])"

    ran = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )

    assert ran.stdout.strip() == "[]"
