"""`make bench ARGS="tick publish --rules 2000"`: runs the topics, prints one table, writes build/bench.json.

A topic is a file of this folder without a leading underscore: `rows(lab)` gives its rows. Without names all run.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.bench import _figures
from tests.bench._figures import Row
from tests.bench._lab import Options, opened
from tests.support.processes import ROOT
from tests.support.servers import find

NEEDED = ("mariadbd", "influxd")
_WIDTH = 160


def topics() -> list[str]:
    """The names of all topics."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every topic ran, whatever its figures; 2 without the servers."""
    usual, chosen = Options(), _parser().parse_args(arguments)
    names = chosen.topics or topics()
    needed = (*NEEDED, "prometheus") if "prometheus" in names else NEEDED
    lacking = [program for program in needed if find(program) is None]
    if lacking:
        hint = "`python -m tests.support.install` installs them as root on Debian"
        print(
            f"The bench needs real servers, and {', '.join(lacking)} can't be found; {hint}.", file=sys.stderr
        )
        return 2
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    progress, started = Console(stderr=True), time.monotonic()
    options = Options(chosen.rules, chosen.repeat, chosen.side_by_side_seconds)
    with opened(
        options, lambda words: progress.print(f"{time.monotonic() - started:4.0f} s  {words}", style="dim")
    ) as lab:
        rows: list[Row] = []
        for topic in names:
            rows += importlib.import_module(f"tests.bench.{topic}").rows(lab)
    _figures.show(rows, console)
    if options.rules != usual.rules:
        console.print(f"The targets are for {usual.rules:,} rules; these were {options.rules:,}.")
    _figures.write(rows, chosen.out)
    console.print(f"Written to {chosen.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measure what docs/performance.md promises."
    )
    parser.add_argument("topics", nargs="*", type=_topic, metavar="TOPIC", help=", ".join(topics()))
    for option, usual, words in (
        ("--rules", "rules", "how many rules"),
        ("--repeat", "repeat", "ticks of each sort"),
        ("--seconds", "side_by_side_seconds", "how long beside Prometheus"),
    ):
        parser.add_argument(option, type=_positive, default=getattr(Options(), usual), dest=usual, help=words)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench.json", help="the file of numbers")
    return parser


def _topic(text: str) -> str:
    if text not in topics():
        raise argparse.ArgumentTypeError(f"{text!r} is not a topic; valid are {', '.join(topics())}")
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; expected a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
