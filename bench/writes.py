"""Measure what the pipeline writes for its visits: rows and transactions in MariaDB, and transactions in Kafka.

One run of the pipeline. The rows are those that it added to (an upsert is one), and the commits those of its
connections, by MariaDB's own counters, which are the server's: nothing else may use it. Kafka's transactions are the
control records in the output topics. Prints one line of JSON.

Examples:
    python -m bench writes
    python -m bench writes --out-of-order 1d
"""

import argparse
from collections.abc import Mapping

from bench import pipeline, place, report
from bench.counts import counts_of
from bench.dataflow import running
from bench.place import Visits
from bench.transactions import control_records
from ops.provision import administration
from settings import Settings

_COUNTERS = {"Handler_write": "rows_added_to", "Com_commit": "mariadb_transactions"}
_STATUS = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_write', 'Com_commit')"
_ROWS = "SELECT COUNT(*) FROM window_totals"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which visits, and the size of the dataflow."""
    pipeline.add_arguments(parser)


def main(arguments: argparse.Namespace) -> int:
    """Fill a topic, run once, print."""
    visits = report.visits_of(arguments)
    with place.filled(visits) as filled:
        report.show(measure(filled, visits, processes=arguments.processes, threads=arguments.threads))
    return 0


def measure(environ: Mapping[str, str], visits: Visits, *, processes: int = 1, threads: int = 1) -> report.Run:
    """Run the dataflow over a filled topic.

    :raises Fatal: it ended badly, or counted wrong.
    """
    with place.pipeline(environ) as provisioned:
        settings = Settings.from_environment(provisioned)
        before = _counters(settings)
        with running(provisioned, processes, threads) as dataflow:
            usage = dataflow.wait()
        after = _counters(settings)
        counts = counts_of("writes", settings, visits.messages)
        outputs = counts["carts"] + counts["rejected"]
        written = {name: after[name] - before[name] for name in after}
        written["kafka_transactions"] = control_records(settings, visits.partitions, outputs)
        written["rows"] = _rows(settings)
    return report.run_of("writes", visits, usage, counts | written, processes=processes)


def _counters(settings: Settings) -> dict[str, int]:
    with administration(settings) as connection:
        cursor = connection.cursor()
        cursor.execute(_STATUS)
        return {_COUNTERS[name]: int(number) for name, number in cursor.fetchall()}


def _rows(settings: Settings) -> int:
    with administration(settings) as connection:
        connection.select_db(settings.mariadb_database)
        cursor = connection.cursor()
        cursor.execute(_ROWS)
        return int(cursor.fetchone()[0])
