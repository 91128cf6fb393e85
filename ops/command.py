"""Every program of website-analytics as one command, for any working directory.

    website-analytics dataflow -w 4         as python -m bytewax.run dataflow:flow -w 4
    website-analytics run -p 4              as python -m ops run -p 4
    website-analytics ops provision         as python -m ops provision
    website-analytics simulate              as python -m simulate
    website-analytics leaderboard           as python -m leaderboard
    website-analytics bench suite           as python -m bench suite; in a checkout only

What follows the program's name is its own; each has --help. Help and messages name the form with python -m.
"""

import argparse
import runpy
import sys
from importlib.metadata import version

from ops.installation import DATAFLOW, INSTALLED
from process.errors import ExitCode, Fatal

PROGRAMS = {
    "dataflow": ("bytewax.run", DATAFLOW),
    "run": ("ops", "run"),
    "ops": ("ops",),
    "simulate": ("simulate",),
    "leaderboard": ("leaderboard",),
    "bench": ("bench",),
}
"""The module and the first arguments of each."""


def main() -> int:
    """Run the program that the command line names; it ends the process as it does under `python -m`."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in PROGRAMS:
        _parser().parse_args(sys.argv[1:2])  # prints the help, the version or an error, and ends
    try:
        _run(name, arguments)
    except Fatal as fatal:
        print(fatal.message, file=sys.stderr)
        return fatal.code
    return 0


def _run(name: str, arguments: list[str]) -> None:
    if name == "bench" and INSTALLED:
        raise Fatal("bench is not installed: run make bench in a checkout of the project", ExitCode.CONFIG)
    module, *first = PROGRAMS[name]
    sys.argv[1:] = [*first, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="website-analytics",
        usage="%(prog)s [-h] [--version] program ...",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('website-analytics')}")
    parser.add_argument("program", choices=PROGRAMS, help=argparse.SUPPRESS)
    return parser
