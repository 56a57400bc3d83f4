"""Ticks in which nothing changes: beside their queries alone, ten times larger, after an edit, in a new process."""

import statistics
import time
from collections.abc import Iterator

from tests.bench import _wire
from tests.bench._figures import Figure, Row
from tests.bench._lab import Evaluator, Lab, Ticked, evaluator, row_of


def rows(lab: Lab) -> Iterator[Row]:
    """One point per series, ten points per series, growth, one edited rule, cold start."""
    large, dense, small = lab.quiet(lab.large()), lab.quiet(lab.dense()), lab.quiet(lab.small())
    for label, quiet in (("tick_100k", large), ("tick_100k_default", dense)):
        yield quiet.row
        how = f"{quiet.row.wall_seconds:.2f} s over {quiet.query_seconds:.2f} s"
        yield Figure(f"{label}_wall_over_query", quiet.over_query, how)
        yield Figure(f"{label}_own_cpu_s", quiet.row.cpu_seconds)
        yield Figure(f"{label}_peak_mb", quiet.row.peak_mb or 0)
    yield small.row
    growth = large.row.wall_seconds / small.row.wall_seconds
    how = f"{large.row.wall_seconds:.2f} s over {small.row.wall_seconds:.3f} s"
    yield Figure("tick_growth_10k_to_100k", growth, how)
    yield from _in_a_new_process(lab)


def _in_a_new_process(lab: Lab) -> Iterator[Row]:
    """The first tick since the process start, beyond its queries; then ticks after an edit of one rule."""
    fleet = lab.large()
    lab.say("a new process")
    requests = lab.quiet(fleet).requests
    started = time.perf_counter()
    with evaluator(lab, fleet) as running:
        first = running.again()
        seconds = time.perf_counter() - started
        query = _wire.replayed(fleet, requests)
        yield row_of("cold", fleet, [first], query, running.peak_mb)
        yield Figure("cold_first_tick_s", seconds - query, f"{seconds:.2f} s less {query:.2f} s")
        edited, same = _edits(lab, running)
    yield row_of("after an edit", fleet, edited)
    more = statistics.median(map(_beside_the_query, edited)) - statistics.median(map(_beside_the_query, same))
    yield Figure("rulebook_incremental_ms", more, "all stages but the query, with an edit less without")


def _edits(lab: Lab, running: Evaluator) -> tuple[list[Ticked], list[Ticked]]:
    """Ticks after somebody edited a rule, and after nobody did, by turns."""
    edited, same = list[Ticked](), list[Ticked]()
    for number in range(lab.options.repeat):
        running.fleet.edit(running.store, number)
        edited.append(running.again())
        same.append(running.again())
    return edited, same


def _beside_the_query(done: Ticked) -> int:
    return done.total_ms - done.stages_ms["query"]
