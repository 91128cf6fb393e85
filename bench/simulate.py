"""Measure the simulator: visits a second that Kafka has acknowledged, flat out, from one process.

`python -m simulate --rate 0` into a topic of its own, which is removed. Prints one line of JSON; seconds are from
the first visit to the last acknowledgement, CPU seconds those of the whole process.

Examples:
    python -m bench simulate
    python -m bench simulate --messages 8000000
"""

import argparse

from bench import place, report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which visits."""
    report.add_visits(parser, messages=4_000_000)


def main(arguments: argparse.Namespace) -> int:
    """Fill a topic once, print."""
    visits = report.visits_of(arguments)
    with place.servers() as environ, place.topic(environ, visits.partitions) as named:
        usage, filled = place.fill(named, visits)
    usage = usage._replace(seconds=filled.seconds)
    counts = {"messages": filled.messages, "visits": filled.visits, "failed": filled.failed}
    report.show(report.run_of("simulate", visits, usage, counts))
    return 0
