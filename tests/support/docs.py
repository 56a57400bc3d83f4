"""What the documentation says, as data: tables, commands, links. Must not know what is true."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


def pages() -> list[Path]:
    """README and everything below docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def text_of(name: str) -> str:
    """One page, named relative to the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """The part of a page below a heading, up to the next heading of the same or a higher rank."""
    text = text_of(page)
    found = re.search(rf"^(#+) +{re.escape(heading)}\s*$", text, re.MULTILINE)
    assert found, f"{page} has no section {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", _without_fences(rest), re.MULTILINE)
    return rest[: end.start()] if end else rest


def _without_fences(text: str) -> str:
    return _FENCE.sub(lambda match: " " * len(match[0]), text)


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, without headers and rules."""
    lines = [line.strip() for line in text.splitlines()]
    found = []
    for index, line in enumerate(lines):
        is_rule = re.fullmatch(r"\|[\s:|-]+\|", line)
        heads = index + 1 < len(lines) and re.fullmatch(r"\|[\s:|-]+\|", lines[index + 1])
        if line.startswith("|") and not is_rule and not heads:
            found.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def code(cell: str) -> list[str]:
    """The words in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return [block for name, block in _FENCE.findall(text_of(page)) if name == language]


@dataclass(frozen=True)
class Command:
    """A `tocsin …` line of a shell block: its words after `tocsin`."""

    page: str
    words: tuple[str, ...]


def commands() -> Iterator[Command]:
    """Every call of the command line in the shell blocks of every page, continuation lines joined."""
    for page in pages():
        for language, block in _FENCE.findall(page.read_text(encoding="utf-8")):
            if language not in ("sh", "bash", "console"):
                continue
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words and Path(words[0]).name == "tocsin":
                    yield Command(str(page.relative_to(ROOT)), tuple(words[1:]))


def make_targets_used() -> Iterator[tuple[str, str]]:
    """(page, target) of every `make target` in any page."""
    for page in pages():
        for target in re.findall(
            r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE
        ):
            yield str(page.relative_to(ROOT)), target


def links() -> Iterator[tuple[Path, str]]:
    """(page, target) of every link and picture."""
    for page in pages():
        text = _without_fences(page.read_text(encoding="utf-8"))
        for match in _LINK.finditer(text):
            yield page, next(group for group in match.groups() if group)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = _HEADING.findall(_without_fences(page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
