"""The options of the command line that let things go wrong on purpose, and scale functions to zero.

Must not start anything.
"""

from __future__ import annotations

import argparse

from knative.local.errors import LocalError
from knative.local.faults import ANY, KILL_EVERY_SECONDS, LONGEST_HOLD_SECONDS, Faults, Kill, Outage


def add_fault_options(parser: argparse.ArgumentParser) -> None:
    """Everything that may go wrong; without these options nothing does."""
    group = parser.add_argument_group(
        "faults", "What goes wrong on purpose is printed when it happens, and counted at the end."
    )
    of_events = {
        "drop": "loses an event after it said 202",
        "duplicate": "delivers an event twice",
        "reorder": f"holds an event back, for up to {LONGEST_HOLD_SECONDS:g} s, so that later ones overtake it",
    }
    for name, what in of_events.items():
        text = f"how often the Broker {what}: 0.05 or 5%%"
        group.add_argument(f"--broker-{name}", default="0", metavar="P", help=text)
    group.add_argument(
        "--broker-down",
        default="",
        metavar="EVERY/FOR",
        help="the Broker dies with what it holds once in EVERY seconds, and comes back after FOR: 60/5",
    )
    group.add_argument(
        "--kill",
        action="append",
        default=[],
        metavar="FUNCTION[:EVERY]",
        help=f"kill -9 of a function at random, once in EVERY seconds (default: {KILL_EVERY_SECONDS:g}); "
        f"`{ANY}` for another one each time; repeat for more",
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same number draws the same faults (default: 0)"
    )
    parser.add_argument(
        "--scale-down-after",
        type=float,
        default=0.0,
        metavar="S",
        help="end a function without min-scale after S seconds without a request, and start it for the next one "
        "(default: 0, all keep running)",
    )


def read_faults(asked: argparse.Namespace) -> Faults:
    """What the command line asks for; LocalError when it makes no sense."""
    if asked.scale_down_after < 0:
        raise LocalError(f"--scale-down-after {asked.scale_down_after:g}: seconds are needed, or 0 for never")
    return Faults(
        drop=read_probability("--broker-drop", asked.broker_drop),
        duplicate=read_probability("--broker-duplicate", asked.broker_duplicate),
        reorder=read_probability("--broker-reorder", asked.broker_reorder),
        outage=read_outage("--broker-down", asked.broker_down),
        kills=tuple(read_kill("--kill", text) for text in asked.kill),
        seed=asked.seed,
    )


def read_probability(option: str, text: str) -> float:
    """`0.05` or `5%`; LocalError for anything that is no probability."""
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise LocalError(f"{option} {text}: a probability is needed, such as 0.05 or 5%")
    return found


def read_outage(option: str, text: str) -> Outage | None:
    """`60/5`: every 60 seconds away for 5; nothing for an empty text."""
    if not text:
        return None
    every, _, lasts = text.partition("/")
    try:
        found = Outage(float(every), float(lasts))
    except ValueError:
        found = Outage(0, 0)
    if not 0 < found.lasts < found.every:
        raise LocalError(
            f"{option} {text}: EVERY/FOR in seconds is needed, such as 60/5, and FOR below EVERY"
        )
    return found


def read_kill(option: str, text: str) -> Kill:
    """`notify-slack`, or `notify-slack:10` for every 10 seconds; `any` for a random function each time."""
    name, sign, seconds = text.partition(":")
    try:
        every = float(seconds) if sign else KILL_EVERY_SECONDS
    except ValueError:
        every = 0.0
    if every <= 0 or not name:
        raise LocalError(f"{option} {text}: FUNCTION or FUNCTION:SECONDS is needed, such as evaluate:20")
    return Kill(name, every)
