"""Measure the floor: what a plain Python loop without an engine needs for the same visits, and writes nowhere.

One consumer for all partitions, one thread. --work says how much it does: consume; also decode; also fold into
windows of 5 s by action and by country; also format the cart lines. It checks no rule, keeps no position, and writes to
no server, so the pipeline cannot be faster. Prints one line of JSON; seconds are from the process's start to its exit.

Examples:
    python -m bench floor
    python -m bench floor --work consume
"""

import argparse
from collections.abc import Mapping

import msgspec

from bench import place, report
from bench.place import Visits
from bench.process import run_module

WORK = ("consume", "decode", "fold", "carts")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which visits, and how much is done with them."""
    text = "how much of the work, each with what is named before it (default: carts)"
    parser.add_argument("--work", choices=WORK, default="carts", help=text)
    report.add_visits(parser, messages=2_000_000)


def main(arguments: argparse.Namespace) -> int:
    """Fill a topic, run once, print."""
    visits = report.visits_of(arguments)
    with place.filled(visits) as filled:
        report.show(measure(filled, visits, work=arguments.work))
    return 0


def measure(environ: Mapping[str, str], visits: Visits, *, work: str) -> report.Run:
    """Run the loop over a filled topic.

    :raises Fatal: it ended badly, or a board does not hold every visit.
    """
    usage, output = run_module(("bench.floor_loop", work), environ)
    counts = msgspec.json.decode(output, type=dict[str, int])
    case = f"floor_{work}"
    report.check(case, visits.messages, {name: counts[name] for name in counts if name not in {"carts", "duration_s"}})
    return report.run_of(case, visits, usage, counts)
