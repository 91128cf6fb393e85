"""Compare the pipeline with Bytewax's stock operators: both over the same topics, of two sizes.

The steady rate is that of the visits between the sizes: (large - small) / (seconds at large - seconds at small),
which leaves out what starting and ending take. Every run is printed as it ends, then one line with the rates of
each round and their ratio. pipeline and stock of a round run right after each other.

Examples:
    python -m bench compare
    python -m bench compare --small 200000 --large 800000 --rounds 1
"""

import argparse
from statistics import median

import msgspec

from bench import pipeline, place, report, stock
from bench.report import Run


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round: rates in visits a second, steady; ratios of steady rates, of CPU time, and of seconds at `small`."""

    pipeline_per_s: float
    stock_per_s: float
    ratio: float
    cpu_ratio: float
    small_ratio: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All rounds, and the median of their ratios."""

    case: str
    small: int
    large: int
    rounds: list[Round]
    median_ratio: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which visits, and how often."""
    add = parser.add_argument
    add("--small", type=report.positive, default=2_000_000, metavar="N", help="visits (default: 2000000)")
    add("--large", type=report.positive, default=8_000_000, metavar="N", help="visits (default: 8000000)")
    add("--rounds", type=report.positive, default=3, metavar="N", help="how often (default: 3)")
    report.add_visits(parser, messages=None)
    stock.add_wait(parser)


def main(arguments: argparse.Namespace) -> int:
    """Fill both topics, run all rounds, print."""
    small = report.visits_of(arguments, arguments.small)
    large = report.visits_of(arguments, arguments.large)
    rounds = []
    with (
        place.servers() as environ,
        place.topic(environ, small.partitions) as small_topic,
        place.topic(environ, large.partitions) as large_topic,
    ):
        place.fill(small_topic, small)
        place.fill(large_topic, large)
        for _ in range(arguments.rounds):
            runs = []
            for topic, visits in ((small_topic, small), (large_topic, large)):
                for run in (pipeline.measure(topic, visits), stock.measure(topic, visits, wait_s=arguments.wait)):
                    report.show(run)
                    runs.append(run)
            rounds.append(round_of(*runs))
    report.show(
        Comparison(
            case="compare",
            small=small.messages,
            large=large.messages,
            rounds=rounds,
            median_ratio=median(each.ratio for each in rounds),
        )
    )
    return 0


def round_of(pipeline_small: Run, stock_small: Run, pipeline_large: Run, stock_large: Run) -> Round:
    """Return the rates and ratios of one round's four runs."""
    ours = _steady(pipeline_small, pipeline_large)
    theirs = _steady(stock_small, stock_large)
    cpu_s = pipeline_large.cpu_s - pipeline_small.cpu_s
    return Round(
        pipeline_per_s=round(ours, 1),
        stock_per_s=round(theirs, 1),
        ratio=round(ours / theirs, 2),
        cpu_ratio=round((stock_large.cpu_s - stock_small.cpu_s) / cpu_s, 2),
        small_ratio=round(stock_small.seconds / pipeline_small.seconds, 2),
    )


def _steady(small: Run, large: Run) -> float:
    return (large.messages - small.messages) / (large.seconds - small.seconds)
