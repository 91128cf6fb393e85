"""Add a window length to a database that has counted: its rows are summed from the longest windows that divide it.

All of it is one transaction, and no dataflow may run meanwhile. Afterwards WINDOW_LENGTHS_S must name the new length
too, wherever it is set.

Examples:
    python -m ops windows add 900
"""

import argparse
import time

from clients.sql import queries
from ops.addition import provisioned_and_stopped
from process.errors import ExitCode, Fatal
from settings import LONGEST_WINDOW_S, Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the one action and the length."""
    parser.add_argument("action", choices=("add",))
    parser.add_argument("length_s", type=int, metavar="SECONDS", help="a multiple of the shortest window length")


def main(arguments: argparse.Namespace) -> int:
    """Add the length; print how many rows it has."""
    began = time.monotonic()
    settings = Settings.from_environment()
    finer_s, rows, lengths = add(settings, arguments.length_s)
    summed = f"{rows:,} rows of {arguments.length_s} s, summed from those of {finer_s} s"
    print(f"{summed} in {time.monotonic() - began:.1f} s; set WINDOW_LENGTHS_S={lengths} from now on")
    return 0


def add(settings: Settings, length_s: int) -> tuple[int, int, str]:
    """Add windows of `length_s`; return the length they were summed from, their rows, and all lengths.

    :raises Fatal: the length is impossible or there already, a dataflow is running, or a server is unavailable.
    """
    with provisioned_and_stopped(settings) as (connection, pipeline):
        present = tuple(map(int, pipeline.fixed.window_lengths_s.split(",")))
        if length_s in present:
            message = f"windows of {length_s} s are there already: {pipeline.fixed.window_lengths_s}"
            raise Fatal(message, ExitCode.CONFIG)
        if not present[0] < length_s <= LONGEST_WINDOW_S or length_s % present[0]:
            message = (
                f"a window cannot have {length_s} s: it must be a multiple of the shortest, {present[0]} s, and "
                f"have {LONGEST_WINDOW_S} s at most"
            )
            raise Fatal(message, ExitCode.CONFIG)
        finer_s = max(each for each in present if length_s % each == 0)
        lengths = ",".join(map(str, sorted((*present, length_s))))
        cursor = connection.cursor()
        cursor.execute(queries()["sum_windows"], (length_s, length_s, length_s, finer_s))
        rows = cursor.rowcount
        cursor.execute(queries()["note_window_lengths"], (lengths,))
        connection.commit()
        return finer_s, rows, lengths
