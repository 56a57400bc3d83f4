"""The options of `python -m knative.local`, and what they ask for.

Must not start anything.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence

from knative.local.addresses import LOOPBACK
from knative.local.demo_site import Cycle
from knative.local.errors import LocalError
from knative.local.fault_options import add_fault_options, read_faults
from knative.local.options import EVERYWHERE, EXTRAS, Options, Pass

PROGRAM = "python -m knative.local"
INBOX_PORT, PORT_BASE = 8025, 8700


def parse(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> argparse.Namespace:
    """The command line."""
    usage = "Run an overlay on this machine, without Kubernetes."
    parser = argparse.ArgumentParser(program, description=usage)
    parser.add_argument(
        "--overlay", default="laptop", help="name of an overlay, or a path to one (default: laptop)"
    )
    parser.add_argument(
        "--state", default=".tocsin", help="folder for databases, logs and mounts (default: .tocsin)"
    )
    port = "port of the inbox; 0 for any"
    base = "first of the ports of everything else, which follow each other; 0 for any"
    parser.add_argument(
        "--inbox-port", type=int, default=INBOX_PORT, metavar="PORT", help=f"{port} (default: {INBOX_PORT})"
    )
    parser.add_argument(
        "--port-base", type=int, default=PORT_BASE, metavar="PORT", help=f"{base} (default: {PORT_BASE})"
    )
    _add_reach(parser)
    env = "a variable of every function, whatever the manifests say; repeat for more"
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE", help=env)
    without = "leave a part out; repeat for more"
    parser.add_argument("--without", action="append", default=[], choices=EXTRAS, help=without)
    parser.add_argument(
        "--until-message", type=int, default=0, metavar="N", help="stop when the inbox has N messages"
    )
    parser.add_argument(
        "--kind", default="", help="with --until-message: count only this kind (slack, email, …)"
    )
    parser.add_argument("--timeout", type=float, default=0.0, metavar="S", help="stop after S seconds")
    parser.add_argument(
        "--site-down",
        default="20-45",
        metavar="A-B",
        help="seconds after the start when the demo site is down (default: 20-45)",
    )
    parser.add_argument(
        "--site-every",
        type=float,
        default=600.0,
        metavar="S",
        help="then down again every S seconds (default: 600)",
    )
    parser.add_argument(
        "--site-down-for", type=float, default=60.0, metavar="S", help="for so long (default: 60)"
    )
    add_fault_options(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="every tick, delivery and debug line")
    return parser.parse_args(arguments)


def options(asked: argparse.Namespace) -> Options:
    """What the command line asks for; LocalError when it makes no sense."""
    env = _pairs("--env", asked.env, "KEY=VALUE")
    first, _, last = asked.site_down.partition("-")
    try:
        cycle = Cycle(float(first), float(last), asked.site_every, asked.site_down_for)
    except ValueError as error:
        raise LocalError(
            f"--site-down {asked.site_down}: two numbers of seconds are needed, such as 20-45"
        ) from error
    return Options(
        env,
        frozenset(asked.without),
        inbox_port=asked.inbox_port,
        port_base=asked.port_base,
        cycle=cycle,
        passes=[_pass(text) for text in asked.passes],
        host=asked.host,
        public=frozenset(asked.public),
        ports=_ports(asked.port),
        faults=read_faults(asked),
        scale_down_after=asked.scale_down_after,
    )


def _add_reach(parser: argparse.ArgumentParser) -> None:
    """Who reaches the functions, and what of this environment reaches them."""
    given = (
        "give variables of this environment whose names match PATTERN (TOCSIN_*, say) to the functions, or to those "
        "that match TO; repeat for more: the first that matches a variable decides"
    )
    parser.add_argument(
        "--pass", dest="passes", action="append", default=[], metavar="PATTERN[=TO]", help=given
    )
    host = f"{EVERYWHERE}: other machines reach what the manifests leave public (default: {LOOPBACK})"
    parser.add_argument("--host", choices=(LOOPBACK, EVERYWHERE), default=LOOPBACK, help=host)
    public = "with --host, let other machines reach this function too; repeat for more"
    parser.add_argument("--public", action="append", default=[], metavar="FUNCTION", help=public)
    port = "a port that this function keeps; repeat for more"
    parser.add_argument("--port", action="append", default=[], metavar="FUNCTION=PORT", help=port)


def _pairs(option: str, given: Iterable[str], form: str) -> dict[str, str]:
    """The last value of each name; LocalError for what is no pair."""
    found = {}
    for pair in given:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise LocalError(f"{option} {pair}: {form} is needed")
        found[name] = value
    return found


def _pass(text: str) -> Pass:
    names, sign, to = text.partition("=")
    if not names or (sign and not to):
        raise LocalError(
            f"--pass {text}: PATTERN or PATTERN=TO is needed, such as TOCSIN_* or TOCSIN_SECRET_*=notify-*"
        )
    return Pass(names, to or "*")


def _ports(given: Iterable[str]) -> Mapping[str, int]:
    found = {}
    for name, value in _pairs("--port", given, "FUNCTION=PORT").items():
        if not value.isdecimal() or not 0 < int(value) < 65536:
            raise LocalError(f"--port {name}={value}: a port is a number from 1 to 65535")
        found[name] = int(value)
    return found
