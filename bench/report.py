"""What a run prints: one line of JSON with what was measured, on what, and with which versions."""

import argparse
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import confluent_kafka
import msgspec

from bench.place import Visits
from bench.process import Usage
from process.errors import ExitCode, Fatal

_PACKAGES = ("bytewax", "confluent-kafka", "mariadb", "msgspec")


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One case, once. `load_average` is the machine's of the last minute, `counts` what came out in the end."""

    case: str
    processes: int
    messages: int
    partitions: int
    seed: int
    start: str
    countries: int
    out_of_order: str
    seconds: float
    visits_per_s: float
    cpu_s: float
    peak_mib: float
    counts: dict[str, int]
    load_average: float
    cores: int
    versions: dict[str, str]


def run_of(case: str, visits: Visits, usage: Usage, counts: Mapping[str, int], *, processes: int = 1) -> Run:
    """Return the report of a run."""
    return Run(
        case=case,
        processes=processes,
        **visits._asdict(),
        **used(usage),
        visits_per_s=round(visits.messages / usage.seconds, 1),
        counts=dict(counts),
        **machine(),
    )


def used(usage: Usage) -> dict[str, Any]:
    """Return the fields of what a case used, rounded."""
    return {
        "seconds": round(usage.seconds, 3),
        "cpu_s": round(usage.cpu_s, 3),
        "peak_mib": round(usage.peak_mib, 1),
    }


def machine() -> dict[str, Any]:
    """Return the fields of what a case ran on."""
    return {
        "load_average": round(os.getloadavg()[0], 2),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of everything in the process that is measured."""
    packages = {name: version(name) for name in _PACKAGES}
    python = {"python": platform.python_version(), "system": platform.platform()}
    return python | packages | {"librdkafka": str(confluent_kafka.libversion()[0])}


def show(result: msgspec.Struct) -> None:
    """Print a result on one line, at once."""
    print(msgspec.json.encode(result).decode(), flush=True)


def check(case: str, expected: int, counts: Mapping[str, int]) -> None:
    """Check that every one of the counts is the number of visits: a wrong answer has no speed.

    :raises Fatal: DIFFERENCES, naming those that are not.
    """
    wrong = {name: number for name, number in counts.items() if number != expected}
    if wrong:
        found = ", ".join(f"{name} {number}" for name, number in wrong.items())
        raise Fatal(f"{case} counted {found}, but the topic holds {expected} visits", ExitCode.DIFFERENCES)


def add_visits(parser: argparse.ArgumentParser, messages: int | None) -> None:
    """Add which visits; without `messages` the command has options of its own for their number."""
    if messages is not None:
        text = f"how many visits (default: {messages})"
        parser.add_argument("--messages", type=positive, default=messages, metavar="N", help=text)
    parser.add_argument("--partitions", type=positive, default=4, metavar="N", help="of the topic (default: 4)")
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="another seed, other visits (default: 42)")
    start = "2026-01-01T00:00:00Z"
    parser.add_argument("--start", default=start, metavar="DATE", help=f"date of the first visit (default: {start})")
    text = "entries of the board of countries, up to 5000 (default: 20)"
    parser.add_argument("--countries", type=positive, default=20, metavar="N", help=text)
    text = "date every visit up to so much earlier than its place in the log, such as 1d"
    parser.add_argument("--out-of-order", default="", metavar="TIME", help=text)


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add --processes."""
    text = "of the dataflow: 1 is bytewax.run, more are ops run -p N (default: 1)"
    parser.add_argument("--processes", type=positive, default=1, metavar="N", help=text)


def visits_of(arguments: argparse.Namespace, messages: int | None = None) -> Visits:
    """Return the visits that the command line specifies."""
    number = arguments.messages if messages is None else messages
    return Visits(
        messages=number,
        partitions=arguments.partitions,
        seed=arguments.seed,
        start=arguments.start,
        countries=arguments.countries,
        out_of_order=arguments.out_of_order,
    )


def positive(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
