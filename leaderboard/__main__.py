"""The leader board: both boards, by last action and by country, live from MariaDB as the read-only user."""

import argparse
import os
import sys

from failure import Fatal
from leaderboard.boards import BoardReader
from leaderboard.ranges import RANGES
from leaderboard.terminal import show, show_once
from settings import Settings
from sinks.database import Login


def main(argv: list[str]) -> int:
    """Show the boards; return the exit code."""
    arguments = _parser().parse_args(argv)
    if not arguments.terminal:
        print("the page is not there yet: use python -m leaderboard --terminal", file=sys.stderr)
        return 2
    try:
        reader = BoardReader(Login.reader(Settings.from_environment()))
        if arguments.once:
            show_once(reader, arguments.range, arguments.top)
        else:
            show(reader, arguments.range, top=arguments.top, every_s=arguments.every)
    except Fatal as fatal:
        print(fatal.line, file=sys.stderr)
        return fatal.code
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # whoever read our lines has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m leaderboard", description=__doc__)
    parser.add_argument("--terminal", action="store_true", help="show the boards in this terminal")
    parser.add_argument("--range", choices=RANGES, default="all", help="time that the boards cover (default: all)")
    parser.add_argument("--once", action="store_true", help="print one snapshot as text and end")
    parser.add_argument(
        "--every",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="how often to print a snapshot where standard output is no terminal (default: 5)",
    )
    parser.add_argument("--top", type=_count, default=10, metavar="N", help="entries per board as text (default: 10)")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.1 and 86400 seconds")
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
