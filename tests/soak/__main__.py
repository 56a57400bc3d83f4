"""`python -m tests.soak`: thousands of rules flip for minutes while everything around them breaks; then the verdict.

Prints a line for each wave and a table at the end; exits with 1 when anything is wrong. docs/local-twin.md says what a
green run proves.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.soak._run import Outcome, Wanted, run
from tests.support.servers import PACKAGES, find

SHOWN = 30
FEWEST = 20
NEEDED = ("mariadbd", "redis-server", "influxd")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every receiver was told the truth, 1 when not, 2 when a server is missing."""
    parser = argparse.ArgumentParser("python -m tests.soak", description="Break everything, and compare.")
    parser.add_argument("--minutes", type=float, default=6, help="how long it storms (default: 6)")
    parser.add_argument("--rules", type=int, default=2000, help="how many rules flip (default: 2000)")
    parser.add_argument("--seed", type=int, help="draw what an earlier run drew (default: a new one)")
    parser.add_argument(
        "--kill-every", type=float, default=15, help="seconds from kill to kill of each function"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep logs, data and what was told (told.jsonl) even when all is well",
    )
    asked = parser.parse_args(arguments)
    if asked.rules < FEWEST or asked.minutes <= 0 or asked.kill_every <= 0:
        parser.error(f"--rules of {FEWEST} at least, and --minutes and --kill-every above 0, are needed")
    if lacking := [PACKAGES[name] for name in NEEDED if find(name) is None]:
        print(
            f"a run needs Debian's {', '.join(lacking)}; as root, `python -m tests.support.install` installs them"
        )
        return 2
    seed = int(time.time()) % 100_000 if asked.seed is None else asked.seed
    wanted = Wanted(asked.rules, seed, seconds=asked.minutes * 60, kill_every=asked.kill_every)
    folder = Path(tempfile.mkdtemp(prefix="tocsin-soak-"))
    _say(f"seed {seed}; state and logs in {folder}")
    outcome = run(folder, wanted, _say)
    _report(outcome, seed)
    if outcome.wrong or asked.keep:
        print(f"What was told is in {folder / 'told.jsonl'}, logs are in {folder / 'state' / 'logs'}.")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if outcome.wrong else 0


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _report(outcome: Outcome, seed: int) -> None:
    print(
        f"\n{outcome.waves} waves, {outcome.slots} slots, the last {outcome.drain_rounds} of them quiet; "
        f"{outcome.seconds:.0f} s"
    )
    print("\nWhat was broken:")
    for name, count in sorted(outcome.faults.items()):
        print(f"  {count:>7,}  {name}")
    print("\nWhat was told:")
    for name, verdict in outcome.verdicts.items():
        counted = ", ".join(f"{count:,} {what}" for what, count in verdict.counts.items())
        print(f"  {name:<13} {counted}; {len(verdict.wrong)} wrong")
    if outcome.wrong:
        print(f"\n{len(outcome.wrong)} things are wrong, with seed {seed}:")
        for text in outcome.wrong[:SHOWN]:
            print(f"  {text}")
        return
    print(f"\nEverybody was told the truth (seed {seed}).")


if __name__ == "__main__":
    sys.exit(main())
