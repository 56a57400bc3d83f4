"""What nobody writes here, found in the syntax tree: sleeping tests, swallowed errors, patched internals."""

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT

POLLING_HELPER = "tests/support/waiting.py"
EDGE_OF_THE_PROCESS = "shared/function.py"
"""It turns any bug into a logged 500, so it alone may catch everything."""

SOURCES = sorted(path for top in ("functions", "knative", "shared") for path in (ROOT / top).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def names(node: ast.expr | None) -> set[str]:
    """The last parts of the names in `node`: `time.sleep` → sleep, `(A, b.C)` → A, C."""
    if isinstance(node, ast.Tuple):
        return {name for element in node.elts for name in names(element)}
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {node.id} if isinstance(node, ast.Name) else set()


def sleeps(tree: ast.AST) -> list[int]:
    return [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and "sleep" in names(node.func)
    ]


def broad_excepts(tree: ast.AST) -> list[int]:
    """Handlers of everything, but for those that clean up and raise it again."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & names(node.type))
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    ]


def swallowed(tree: ast.AST) -> list[int]:
    """Handlers that do nothing at all; `contextlib.suppress` of a named error says that it is meant."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and all(isinstance(line, ast.Pass) for line in node.body)
    ]


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def found(paths: list[Path], find: Callable[[ast.AST], Iterable[object]]) -> dict[str, list[object]]:
    """What the finder finds, by file."""
    by_file = {relative(path): list(find(ast.parse(path.read_text()))) for path in paths}
    return {name: finds for name, finds in by_file.items() if finds}


def mocks(tree: ast.AST) -> list[str]:
    return [name for name in imports(tree) if "mock" in name.split(".")]


def test_no_test_sleeps_or_patches_internals() -> None:
    asleep = found(TESTS, sleeps)

    assert asleep.keys() - {POLLING_HELPER} == set(), "wait for a condition: tests.support.waiting.wait_until"
    assert found(TESTS, mocks) == {}, "fake at the wire: tests.support.sink"


def test_no_error_is_swallowed() -> None:
    broad = found(SOURCES, broad_excepts)

    assert {name: len(at) for name, at in broad.items()} == {EDGE_OF_THE_PROCESS: 1}
    assert found(SOURCES, swallowed) == {}


@pytest.mark.parametrize(
    ("code", "find"),
    [
        ("import time\ntime.sleep(1)", sleeps),
        ("from time import sleep\nsleep(1)", sleeps),
        ("try:\n    x()\nexcept:\n    y()", broad_excepts),
        ("try:\n    x()\nexcept (ValueError, builtins.Exception):\n    y()", broad_excepts),
        ("try:\n    x()\nexcept ValueError:\n    pass", swallowed),
    ],
)
def test_the_finders_find(code: str, find: object) -> None:
    assert callable(find)
    assert len(find(ast.parse(code))) == 1
