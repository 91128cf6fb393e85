"""The boards in a terminal, refreshed every second; as plain text where standard output is none."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live

from leaderboard.boards import BoardReader
from leaderboard.display import View, live, plain
from sinks import database
from sinks.database import ConnectionLost, Transient

REFRESH_S = 1.0


def show_once(reader: BoardReader, range_name: str, top: int) -> None:
    """Print one snapshot of both boards.

    :raises Fatal: MariaDB is away or refuses, or nothing is provisioned.
    """
    try:
        print(plain(View(reader.read(range_name)), top))
    except (ConnectionLost, Transient) as error:
        raise database.away(error) from error


def show(reader: BoardReader, range_name: str, *, top: int, every_s: float) -> None:
    """Show both boards until Ctrl-C or SIGTERM: live in a terminal, else a snapshot every `every_s` seconds.

    While MariaDB is away the last boards stay, with the reason.

    :raises Fatal: MariaDB refuses the user, or nothing is provisioned.
    """
    console = Console()
    with _ended_by_signals() as ended:
        if console.is_terminal and not console.is_dumb_terminal:
            _show_live(console, ended, reader, range_name)
        else:
            _each(ended, every_s, reader, range_name, lambda view: print(plain(view, top), end="\n\n", flush=True))


def _show_live(console: Console, ended: threading.Event, reader: BoardReader, range_name: str) -> None:
    with Live(console=console, screen=True, auto_refresh=False) as screen:

        def draw(view: View) -> None:
            screen.update(live(view, console.height), refresh=True)

        _each(ended, REFRESH_S, reader, range_name, draw)


def _each(
    ended: threading.Event, every_s: float, reader: BoardReader, range_name: str, draw: Callable[[View], Any]
) -> None:
    view = View()
    while not ended.is_set():
        view = _next(view, reader, range_name)
        draw(view)
        ended.wait(every_s)


def _next(view: View, reader: BoardReader, range_name: str) -> View:
    try:
        return view.with_boards(reader.read(range_name))
    except (ConnectionLost, Transient) as error:
        return view.with_trouble(f"old: {database.away(error).line}")


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    ended = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: ended.set()) for number in signals]
    try:
        yield ended
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
