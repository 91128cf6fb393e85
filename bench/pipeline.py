"""Measure the whole dataflow: from a topic of seeded visits to MariaDB and the output topics, until all is committed.

One process, one worker, `python -m bytewax.run dataflow:flow` with STOP_AT_END=1. Topics, database and users are
the benchmark's own and are removed. Prints one line of JSON; seconds are from the process's start to its exit.

Examples:
    python -m bench pipeline
    BATCH_MESSAGES=8000 python -m bench pipeline --messages 500000
"""

import argparse
from collections.abc import Mapping
from importlib.resources import files

from bench import place, report
from bench.place import Visits
from bench.process import run_module
from ops.provision import administration
from settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which visits."""
    report.add_visits(parser, messages=2_000_000)


def main(arguments: argparse.Namespace) -> int:
    """Fill a topic, run once, print."""
    visits = report.visits_of(arguments)
    with place.servers() as environ, place.topic(environ, visits.partitions) as filled:
        place.fill(filled, visits)
        report.show(measure(filled, visits))
    return 0


def measure(environ: Mapping[str, str], visits: Visits) -> report.Run:
    """Run the dataflow over a filled topic.

    :raises Fatal: it ended badly, or counted wrong.
    """
    with place.pipeline(environ) as provisioned:
        usage, _ = run_module(("bytewax.run", "dataflow:flow"), provisioned)
        counts = _counts(Settings.from_environment(provisioned))
    report.check("pipeline", visits.messages, {name: n for name, n in counts.items() if name not in _PARTS})
    return report.run_of("pipeline", visits, usage, counts)


_PARTS = frozenset({"rejected", "carts"})


def _counts(settings: Settings) -> dict[str, int]:
    statement = files("bench").joinpath("counts.sql").read_text(encoding="utf-8")
    with administration(settings) as connection:
        connection.select_db(settings.mariadb_database)
        cursor = connection.cursor()
        cursor.execute(statement.rstrip(";\n"))
        return {name: int(number) for name, number in cursor.fetchall()}
