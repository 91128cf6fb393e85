"""Measure the whole dataflow: from a topic of seeded visits to MariaDB and the output topics, until all is committed.

One process, one worker, `python -m bytewax.run dataflow:flow` with STOP_AT_END=1; with --processes N the same by
`python -m ops run -p N`; with --threads N each process has N workers. Topics, database and users are the benchmark's
own and are removed. Prints one line of JSON; seconds are from the process's start to its exit, CPU seconds those of
all processes.

Examples:
    python -m bench pipeline
    python -m bench pipeline --processes 2
    python -m bench pipeline --countries 5000
    python -m bench pipeline --out-of-order 1d
    BATCH_MESSAGES=8000 python -m bench pipeline --messages 500000
"""

import argparse
from collections.abc import Mapping

from bench import dataflow, place, report
from bench.counts import counts_of
from bench.place import Visits
from settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which visits, and the size of the dataflow."""
    report.add_visits(parser, messages=2_000_000)
    report.add_processes(parser)
    text = "workers of each process (default: 1)"
    parser.add_argument("--threads", type=report.positive, default=1, metavar="N", help=text)


def main(arguments: argparse.Namespace) -> int:
    """Fill a topic, run once, print."""
    visits = report.visits_of(arguments)
    with place.filled(visits) as filled:
        report.show(measure(filled, visits, processes=arguments.processes, threads=arguments.threads))
    return 0


def measure(environ: Mapping[str, str], visits: Visits, *, processes: int = 1, threads: int = 1) -> report.Run:
    """Run the dataflow over a filled topic.

    :raises Fatal: it ended badly, was restarted, or counted wrong.
    """
    with place.pipeline(environ) as provisioned:
        with dataflow.running(provisioned, processes, threads) as running:
            usage = running.wait()
            dataflow.refuse_restart(running)
        counts = counts_of("pipeline", Settings.from_environment(provisioned), visits.messages)
    return report.run_of("pipeline", visits, usage, counts, processes=processes)
