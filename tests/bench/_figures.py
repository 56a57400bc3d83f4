"""What a bench says: named figures with their targets, rows about ticks, one table, and one flat file of numbers.

Measures nothing. The names and targets are those of docs/performance.md, and a test compares the two.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tests.support.processes import ROOT

Target = tuple[str, float]

TARGETS: Mapping[str, Target] = {
    "tick_100k_wall_over_query": ("≤", 1.5),
    "tick_100k_own_cpu_s": ("≤", 0.6),
    "tick_100k_peak_mb": ("≤", 400),
    "tick_100k_default_wall_over_query": ("≤", 2),
    "tick_100k_default_own_cpu_s": ("≤", 3),
    "tick_100k_default_peak_mb": ("≤", 400),
    "flips_1pct_publish_s": ("≤", 5),
    "flips_1pct_own_cpu_s": ("≤", 3),
    "tick_growth_10k_to_100k": ("≤", 12),
    "rulebook_incremental_ms": ("≤", 200),
    "per_rule_query_over_batched": ("≥", 20),
    "cold_first_tick_s": ("≤", 6),
    "evals_per_cpu_over_prometheus": (">", 1),
    "webhook_deliveries_per_s": ("≥", 200),
    "webhook_cpu_ms_per_delivery": ("≤", 6),
    "event_to_call_p50_ms": ("≤", 20),
    "event_to_call_p99_ms": ("≤", 100),
    "storm_5000_accounted_s": ("≤", 60),
    "notify_cold_start_over_stack": ("≤", 1.25),
    "notify_cold_start_over_bare": ("≤", 4),
    "chart_cold_ms": ("≤", 60),
    "mcp_start_to_first_result_s": ("≤", 3),
    "mcp_calls_per_s": ("≥", 50),
    "list_alerts_p99_over_empty_ms": ("≤", 50),
    "mcp_rss_mb": ("≤", 200),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of `build/bench.json`; its name says the unit. `how` is what it was made from, for people."""

    name: str
    value: float
    how: str = ""

    @property
    def met(self) -> bool:
        """Whether it is where it should be."""
        word, limit = TARGETS[self.name]
        return {"≤": self.value <= limit, "≥": self.value >= limit, ">": self.value > limit}[word]


@dataclass(frozen=True, slots=True)
class TickRow:
    """One kind of tick: seconds of the wall and of its own CPU, its stages as the tick reported them, peak memory.

    `query_seconds`: the same queries to their last byte, unparsed. None where nobody measured it.
    """

    what: str
    rules: int
    series: int
    wall_seconds: float
    cpu_seconds: float
    stages_ms: Mapping[str, int]
    query_seconds: float | None = None
    peak_mb: float | None = None


Row = Figure | TickRow


def show(rows: Sequence[Row], console: Console) -> None:
    """One table of the ticks, one of the figures."""
    ticks = [row for row in rows if isinstance(row, TickRow)]
    if ticks:
        console.print(_tick_table(ticks))
    console.print(_figure_table([row for row in rows if isinstance(row, Figure)]))


def _tick_table(rows: Sequence[TickRow]) -> Table:
    stages = list(dict.fromkeys(stage for row in rows for stage in row.stages_ms))
    numbers = ["rules", "series", "wall s", "own CPU s", *(f"{stage} ms" for stage in stages)]
    table = Table("tick", box=box.SIMPLE_HEAD)
    for name in [*numbers, "query alone s", "peak MB"]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.what,
            f"{row.rules:,}",
            f"{row.series:,}",
            f"{row.wall_seconds:.2f}",
            f"{row.cpu_seconds:.2f}",
            *(str(row.stages_ms.get(stage, "")) for stage in stages),
            "" if row.query_seconds is None else f"{row.query_seconds:.2f}",
            "" if row.peak_mb is None else f"{row.peak_mb:.0f}",
        )
    return table


def _figure_table(figures: Iterable[Figure]) -> Table:
    table = Table("figure", box=box.SIMPLE_HEAD)
    table.add_column("value", justify="right")
    for name in ("target", "", "made from"):
        table.add_column(name)
    for figure in figures:
        word, limit = TARGETS[figure.name]
        met = "[green]met[/]" if figure.met else "[red]missed[/]"
        table.add_row(figure.name, f"{figure.value:.4g}", f"{word} {limit:g}", met, figure.how)
    return table


def write(rows: Iterable[Row], path: Path) -> None:
    """One flat object: name → number, and which commit and machine it was."""
    numbers = {row.name: round(row.value, 4) for row in rows if isinstance(row, Figure)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**numbers, "commit": _commit(), "machine": _machine()}, indent=2) + "\n")


def _commit() -> str:
    """The commit of the tree, marked when it was changed since; empty outside of a repository."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(asked, cwd=ROOT, check=False, capture_output=True, text=True, timeout=10)
    return done.stdout.strip()


def _machine() -> str:
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} x {model or platform.machine()}, {system}"
