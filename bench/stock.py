"""Measure the same work with Bytewax's own KafkaSource, map, branch, EventClock, fold_window and null sinks.

One process, one worker. Its clock judges some visits late and leaves them out: `counts` has their number for each
board. Prints one line of JSON; seconds are from the process's start to its exit.

Examples:
    python -m bench stock
    python -m bench stock --wait 10
"""

import argparse
from collections.abc import Mapping

import msgspec

from bench import place, report
from bench.place import Visits
from bench.process import run_module
from settings import Settings

WAIT_S = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which visits, and how long the clocks wait."""
    report.add_visits(parser, messages=2_000_000)
    add_wait(parser)


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add --wait."""
    text = f"how long the clocks wait for visits out of order, seconds of event time (default: {WAIT_S})"
    parser.add_argument("--wait", type=report.positive, default=WAIT_S, metavar="N", help=text)


def main(arguments: argparse.Namespace) -> int:
    """Fill a topic, run once, print."""
    visits = report.visits_of(arguments)
    with place.filled(visits) as filled:
        report.show(measure(filled, visits, wait_s=arguments.wait))
    return 0


def measure(environ: Mapping[str, str], visits: Visits, *, wait_s: int = WAIT_S) -> report.Run:
    """Run the stock dataflow over a filled topic.

    :raises Fatal: it ended badly, or its totals and its late visits are not all visits.
    """
    usage, output = run_module(("bytewax.run", f"bench.stock_flow:flow({wait_s})"), environ)
    counts = msgspec.json.decode(output, type=dict[str, int])
    lengths_s = Settings.from_environment(environ).window_lengths_s
    accounted = {
        f"{board}_{length_s}_s": _accounted(counts, board, length_s)
        for board in ("action", "country")
        for length_s in lengths_s
    }
    report.check("stock", visits.messages, accounted)
    return report.run_of("stock", visits, usage, dict(sorted(counts.items())))


def _accounted(counts: dict[str, int], board: str, length_s: int) -> int:
    names = (f"{board}_late", f"{board}_{length_s}_s_late", f"{board}_{length_s}_s")
    return sum(counts.get(name, 0) for name in names)
