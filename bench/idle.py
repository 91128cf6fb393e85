"""Measure what the dataflow uses while no visits come.

It counts one visit of each partition, which shows that it owns all of them, and is left alone for 3 s. Then its CPU
seconds are taken over `--seconds` in which nothing is sent. Prints one line of JSON; cpu_share is CPU seconds a second.

Examples:
    python -m bench idle
    python -m bench idle --seconds 60 --processes 2
"""

import argparse
import time
from collections.abc import Mapping

import msgspec

from bench import place, report
from bench.live import live, values_of
from bench.place import Visits
from bench.process import Usage
from settings import Settings

_SETTLE_S = 3.0
_RATE = 1000


class Idle(msgspec.Struct, frozen=True, kw_only=True):
    """One case, once; CPU seconds and the share are those of the idle time, in the kernel's steps of 10 ms."""

    case: str
    processes: int
    partitions: int
    flush_interval_ms: int
    seconds: float
    cpu_s: float
    cpu_share: float
    peak_mib: float
    load_average: float
    cores: int
    versions: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how long, and the size of the dataflow."""
    text = "how long it is idle (default: 20)"
    parser.add_argument("--seconds", type=report.positive, default=20, metavar="N", help=text)
    report.add_processes(parser)
    report.add_visits(parser, messages=None)


def main(arguments: argparse.Namespace) -> int:
    """Measure once, print."""
    visits = report.visits_of(arguments, arguments.partitions)
    with place.servers() as environ:
        report.show(measure(environ, visits, seconds=arguments.seconds, processes=arguments.processes))
    return 0


def measure(environ: Mapping[str, str], visits: Visits, *, seconds: int, processes: int) -> Idle:
    """Run the dataflow without visits, but for one of each partition at its start.

    :raises Fatal: it ended, or did not count these.
    """
    first = values_of(visits, _RATE, environ)
    with (
        place.topic(environ, visits.partitions) as named,
        place.pipeline(named) as provisioned,
        live(provisioned, processes, first) as dataflow,
    ):
        time.sleep(_SETTLE_S)
        begun, cpu_before_s = time.monotonic(), dataflow.cpu_s
        time.sleep(seconds)
        elapsed_s, cpu_s = time.monotonic() - begun, dataflow.cpu_s - cpu_before_s
        peak_mib = dataflow.end().peak_mib
    return Idle(
        case="idle",
        processes=processes,
        partitions=visits.partitions,
        flush_interval_ms=Settings.from_environment(environ).flush_interval_ms,
        **report.used(Usage(elapsed_s, cpu_s, peak_mib)),
        cpu_share=round(cpu_s / elapsed_s, 4),
        **report.machine(),
    )
