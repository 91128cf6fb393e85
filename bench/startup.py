"""Measure how long it takes from the command to the first committed row, and until every partition has been read.

The topic holds one visit of each partition when `python -m bytewax.run dataflow:flow` is started; everything is
provisioned. Table progress is polled every 5 ms. Prints one line of JSON.

Examples:
    python -m bench startup
    python -m bench startup --partitions 64
"""

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bench import dataflow, place, report
from bench.live import values_of
from bench.place import Visits
from bench.process import Module
from bench.producer import Producer
from bench.progress import counted, reading
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

_RATE = 1000
_POLL_S = 0.005
_COUNTED_S = 120.0
_ROWS = "SELECT COUNT(*) FROM window_totals"


class Startup(msgspec.Struct, frozen=True, kw_only=True):
    """One start: seconds from the command until a row was visible, and until all partitions had been read."""

    case: str
    partitions: int
    first_row_s: float
    all_partitions_s: float
    peak_mib: float
    load_average: float
    cores: int
    versions: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which visits."""
    report.add_visits(parser, messages=None)


def main(arguments: argparse.Namespace) -> int:
    """Measure once, print."""
    visits = report.visits_of(arguments, arguments.partitions)
    with place.servers() as environ:
        report.show(measure(environ, visits))
    return 0


def measure(environ: Mapping[str, str], visits: Visits) -> Startup:
    """Start the dataflow over one visit of each partition.

    :raises Fatal: it ended, or did not count them.
    """
    values = values_of(visits._replace(messages=visits.partitions), _RATE, environ)
    with place.topic(environ, visits.partitions) as named, place.pipeline(named) as provisioned:
        endless = {**provisioned, "STOP_AT_END": "0"}
        settings = Settings.from_environment(endless)
        Producer(settings, visits.partitions).send(values, _RATE)
        with reading(settings) as cursor:
            begun = time.monotonic()
            with dataflow.running(endless, 1) as module:
                _wait_for(module, "a row", lambda: _rows(cursor) > 0)
                first_row_s = time.monotonic() - begun
                _wait_for(module, "every partition", lambda: counted(cursor) == visits.partitions)
                all_partitions_s = time.monotonic() - begun
                peak_mib = module.end().peak_mib
    return Startup(
        case="startup",
        partitions=visits.partitions,
        first_row_s=round(first_row_s, 3),
        all_partitions_s=round(all_partitions_s, 3),
        peak_mib=round(peak_mib, 1),
        **report.machine(),
    )


def _rows(cursor: Any) -> int:
    cursor.execute(_ROWS)
    return int(cursor.fetchone()[0])


def _wait_for(module: Module, what: str, seen: Callable[[], bool]) -> None:
    deadline = Deadline(_COUNTED_S)
    while not seen():
        module.check()
        if deadline.passed:
            message = f"after {_COUNTED_S:.0f} s the dataflow has not committed {what}: {module.last_message}"
            raise Fatal(message, ExitCode.ABORTED)
        time.sleep(_POLL_S)
