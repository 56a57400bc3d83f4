"""The layout reads as the story: thin edges, short files, explicit packages, nothing heavy where it is not needed."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.functions import child_environment
from tests.support.processes import ROOT

FILE_LINES = 300
FUNCTION_LINES = 60
MAIN_LINES = 40
DECLARATIONS = {"shared/model.py": 450, "shared/store/tables.py": 450}
"""Files that only declare: nobody reads them from top to bottom, and to split a list of nouns helps nobody."""

PURE = (
    "advance",
    "announce",
    "columns",
    "compose",
    "conditions",
    "decide",
    "errors",
    "events",
    "model",
    "plan",
    "policy",
    "readings",
    "series",
)
HEAVY = ("numpy", "mcp", "influxdb_client")

SOURCES = sorted(path for top in ("functions", "knative", "shared") for path in (ROOT / top).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_every_file_is_short_and_says_what_it_is_for() -> None:
    counts = {relative(path): lines(path) for path in [*SOURCES, *TESTS]}
    long = {name: count for name, count in counts.items() if count > DECLARATIONS.get(name, FILE_LINES)}
    silent = [
        relative(path)
        for path in [*SOURCES, *TESTS]
        if (path.name != "__init__.py" or lines(path)) and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert long == {}
    assert silent == [], "a module docstring says its purpose"


def test_no_function_is_long() -> None:
    counts = {
        f"{relative(path)} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: count for name, count in counts.items() if count > FUNCTION_LINES} == {}


def test_every_folder_of_code_is_an_explicit_package() -> None:
    folders = {path.parent for path in SOURCES if path.parent.name != "versions"}
    bare = [relative(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()]

    assert bare == [], "otherwise the wheel may lack it"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_a_thin_edge_whose_handler_has_its_folders_name(name: str) -> None:
    path = ROOT / "functions" / name / "main.py"
    defined = [
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert lines(path) < MAIN_LINES
    assert name in defined


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_keeps_no_helpers_beside_its_main(name: str) -> None:
    # functions-framework puts the folder on sys.path, where a helper's name could hide another module's.
    found = {path.name for path in (ROOT / "functions" / name).glob("*.py")}

    assert found == {"__init__.py", "main.py"}


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name.startswith("notify_")])
def test_a_notify_function_starts_without_heavy_libraries(name: str) -> None:
    code = f"import functions.{name}.main, sys; print(*{{m.partition('.')[0] for m in sys.modules}})"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=child_environment({}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    heavy = {*HEAVY, *(() if name == "notify_email" else ("sendgrid",))}
    assert heavy & set(done.stdout.split()) == set()


def test_the_import_rules_know_every_module_of_the_pure_core() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [pure] = [contract for contract in contracts if contract["id"] == "pure"]
    existing = {
        f"shared.{name}"
        for name in PURE
        if (ROOT / "shared" / f"{name}.py").exists() or (ROOT / "shared" / name / "__init__.py").exists()
    }

    assert existing - set(pure["source_modules"]) == set()
