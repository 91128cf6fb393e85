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
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench import document, machine, place, report, results
from bench.cases import SECTIONS, Case, Measured, Topics, cases
from bench.process import ROOT
from bench.results import CaseResult, Measurement, Results
from bench.sizes import Sizes
from process.errors import Fatal

RESULTS = ROOT / "bench" / "results.json"
SMALL_RESULTS = ROOT / ".local" / "bench" / "results.json"
_QUICK = Sizes(small=50_000, large=200_000, huge=400_000, latency_s=2, idle_s=2, junk=4)
_NOT_QUICK = (
    *("flink", "flink_exactly_once", "kafka_streams", "spark", "threads_2", "threads_4", "partitions_16"),
    *("partitions_64", "countries_200", "visits_large", "latency_100000", "startup_64"),
)
_LEFT_OUT_QUICKLY = "not part of the short form"

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
    add("--quick", action="store_true", help="small sizes, one round, no Java: 3 minutes, into a folder of its own")
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
    path = arguments.results or (RESULTS if sizes == Sizes() else SMALL_RESULTS)
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    logging.getLogger("ops").setLevel(logging.WARNING)  # a line for each table of each run
    with place.servers() as environ, closing(Topics(environ)) as topics:
        found = _empty(arguments, environ, sizes, rounds)
        if (arguments.only or arguments.skip) and path.exists():
            found.keep(results.read(path))
        _Suite(topics, found, path).run(chosen, rounds)
    document.write(found, path.parent)
    if arguments.quick:
        print(document.text_of(found), flush=True)
    failed = [case.name for case in found.cases if case.failures]
    logger.info("results: %s%s", path, f"; failed: {', '.join(failed)}" if failed else "")
    return int(bool(failed))


class _Suite:
    """Measures cases in rounds, and writes what there is after every case."""

    def __init__(self, topics: Topics, found: Results, path: Path) -> None:
        self._topics = topics
        self._found = found
        self._path = path

    def run(self, chosen: Sequence[Case], rounds: int) -> None:
        """Measure all cases, `rounds` times."""
        chosen = [case for case in chosen if self._can_run(case)]
        order = {case.name: number for number, case in enumerate(cases(Sizes()))}
        self._found.cases.sort(key=lambda result: order[result.name])
        for number in range(1, rounds + 1):
            for case in chosen:
                if number == 1 or not case.once:
                    self._measure(case, number, f"round {number} of {1 if case.once else rounds}")
                    results.write(self._found, self._path)

    def _can_run(self, case: Case) -> bool:
        reason = case.missing()
        if reason:
            logger.info("%s is left out: %s", case.name, reason)
            self._found.left_out[case.name] = reason
        else:
            result = CaseResult(name=case.name, title=case.title, section=case.section, command=case.command)
            self._found.cases = [each for each in self._found.cases if each.name != case.name] + [result]
        return not reason

    def _measure(self, case: Case, number: int, progress: str) -> None:
        result = self._found.case(case.name)
        assert result is not None  # noqa: S101 - _can_run has added it
        begun = time.monotonic()
        try:
            measured = case.measure(self._topics)
        except Exception as error:  # whatever fails in one case must not take the results of the others
            logger.error("%s, %s: %s", case.name, progress, error, exc_info=not isinstance(error, Fatal))
            result.failures.append(f"round {number}: {error}")
        else:
            figures = {name: round(value, 4) for name, value in measured.figures.items()}
            result.measurements.append(self._measurement(number, figures, measured))
            taken = ", ".join(f"{name} {value:,.6g}" for name, value in figures.items())
            logger.info("%s, %s, %.0f s: %s", case.name, progress, time.monotonic() - begun, taken)

    def _measurement(self, number: int, figures: dict[str, float], measured: Measured) -> Measurement:
        runs = [msgspec.to_builtins(run) for run in measured.runs]
        for run in runs:
            del run["versions"]  # the same in all of them: they stand once, at the top
        return Measurement(suite=self._found.date, round=number, figures=figures, runs=runs)


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
