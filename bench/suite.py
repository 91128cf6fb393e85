"""Run every benchmark in rounds, and write the results as JSON: bench/results.json.

Each round runs all cases one after the other, each in fresh processes over seeded visits, so that what is compared is
measured in turns; those that take very long run in the first round only. Topics are filled once and shared. The file
is written after every case. A case that fails is recorded, and the exit code is then 1. With --only or --skip the
file keeps the other cases that it has. In the end bench/RESULTS.md and its plots are drawn, as `python -m bench report`
does.

Examples:
    python -m bench suite
    python -m bench suite --only floor_carts pipeline_1 stock --rounds 5
    python -m bench suite --only latency junk
    python -m bench suite --skip spark flink_exactly_once --scale 0.1
    python -m bench suite --quick
"""

import argparse
import logging
import math
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bench import document, machine, place, report, results
from bench.cases import SECTIONS, Case, Topics, cases
from bench.process import ROOT
from bench.results import Results
from bench.rounds import Rounds
from bench.sizes import Sizes
from process.deadline import Deadline

RESULTS = ROOT / "bench" / "results.json"
SMALL_RESULTS = ROOT / ".local" / "bench" / "results.json"
_QUICK = Sizes(small=50_000, large=200_000, huge=400_000, latency_s=2, idle_s=2, junk=4)
_NOT_QUICK = (
    *("flink", "flink_exactly_once", "kafka_streams", "spark", "threads_2", "threads_4", "partitions_16"),
    *("partitions_64", "countries_200", "visits_large", "latency_100000", "startup_64"),
)
_LEFT_OUT_QUICKLY = "not part of the short form"
_QUICK_S = 140.0  # from then on no case begins: servers are started before, and stopped after

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which cases, how often, and how large."""
    names = [*SECTIONS, *(case.name for case in cases(Sizes()))]
    add = parser.add_argument
    some = parser.add_mutually_exclusive_group().add_argument
    text = "these cases, or all of a section; --list shows the names"
    some("--only", nargs="+", choices=names, metavar="CASE", help=text)
    some("--skip", nargs="+", choices=names, metavar="CASE", default=[], help="all cases but these")
    add("--rounds", type=report.positive, metavar="N", help="how often (default: 3; with --quick 1)")
    add("--scale", type=_scale, default=1.0, metavar="X", help="0.1: a tenth of the visits and of the seconds")
    add("--quick", action="store_true", help="small sizes, one round, no Java: at most 3 minutes")
    text = (
        "where to write (default: bench/results.json; with other sizes than the usual ones .local/bench/results.json)"
    )
    add("--results", type=Path, metavar="FILE", help=text)
    add("--list", action="store_true", help="print the names of the cases, and end")


def main(arguments: argparse.Namespace) -> int:
    """Run the cases, write the results; return 1 if one failed."""
    sizes = (_QUICK if arguments.quick else Sizes()).scaled(arguments.scale)
    chosen = _chosen(arguments, sizes)
    if arguments.list:
        for case in chosen:
            print(f"{case.name:20} {case.section}: {case.title}")
        return 0
    deadline = Deadline(_QUICK_S if arguments.quick else math.inf)
    path = arguments.results or (RESULTS if sizes == Sizes() else SMALL_RESULTS)
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    logging.getLogger("ops").setLevel(logging.WARNING)  # a line for each table of each run
    with place.servers() as environ, closing(Topics(environ)) as topics:
        found = _empty(arguments, environ, sizes, rounds)
        if (arguments.only or arguments.skip) and path.exists():
            found.keep(results.read(path))
        Rounds(topics, found, path, deadline).run(chosen, rounds)
    document.write(found, path.parent)
    if arguments.quick:
        print(document.text_of(found), flush=True)
    failed = [case.name for case in found.cases if case.failures]
    logger.info("results: %s%s", path, f"; failed: {', '.join(failed)}" if failed else "")
    return int(bool(failed))


def _chosen(arguments: argparse.Namespace, sizes: Sizes) -> list[Case]:
    skipped = {*arguments.skip, *(_NOT_QUICK if arguments.quick else ())}
    only = arguments.only
    return [
        case
        for case in cases(sizes)
        if ({case.name, case.section} & set(only) if only else not {case.name, case.section} & skipped)
    ]


def _empty(arguments: argparse.Namespace, environ: Mapping[str, str], sizes: Sizes, rounds: int) -> Results:
    options = [f"--rounds {rounds}"]
    options += [f"--only {' '.join(arguments.only)}"] if arguments.only else []
    options += [f"--skip {' '.join(arguments.skip)}"] if arguments.skip else []
    options += [f"--scale {arguments.scale:g}"] if arguments.scale != 1 else []
    options += ["--quick"] if arguments.quick else []
    return Results(
        command=f"python -m bench suite {' '.join(options)}",
        date=_now(),
        rounds=rounds,
        sizes=sizes._asdict(),
        machine=machine.machine(),
        versions=machine.versions(environ),
        left_out=dict.fromkeys(_NOT_QUICK, _LEFT_OUT_QUICKLY) if arguments.quick else {},
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and up to 1")
    return scale
