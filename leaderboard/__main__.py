"""The leaderboard: both boards, by last action and by country, live from MariaDB as the read-only user.

Without arguments it serves the page at BOARD_HOST and BOARD_PORT.
"""

import argparse
import os
import sys

from clients.mariadb import Login
from leaderboard.boards import BoardReader
from leaderboard.ranges import RANGES
from leaderboard.terminal import show, show_once
from process import logs
from process.errors import Fatal
from process.output import escape_unencodable
from settings import Settings


def main(argv: list[str]) -> int:
    """Serve or show the boards; return the exit code."""
    escape_unencodable()
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not arguments.terminal and argv:
        parser.error("these options are of --terminal")
    try:
        settings = Settings.from_environment()
        if arguments.terminal:
            _show(settings, arguments)
        else:
            from leaderboard import web  # the terminal needs no server

            logs.set_up(settings.log_format)
            web.serve(settings)
    except Fatal as fatal:
        print(fatal.message, file=sys.stderr)
        return fatal.code
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # the reader of standard output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _show(settings: Settings, arguments: argparse.Namespace) -> None:
    reader = BoardReader(Login.reader(settings))
    if arguments.once:
        show_once(reader, arguments.range, arguments.top)
    else:
        show(reader, arguments.range, top=arguments.top, every_s=arguments.every, page=arguments.page)


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
        help="how often to print a snapshot where standard output is not a terminal (default: 5)",
    )
    parser.add_argument("--top", type=_count, default=10, metavar="N", help="entries per board as text (default: 10)")
    parser.add_argument("--page", metavar="ADDRESS", help="address of the page, to show above the live boards")
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
