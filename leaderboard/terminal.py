"""The boards in a terminal, refreshed every second; as plain text where standard output is none."""

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from failure import Fatal
from leaderboard.boards import BoardReader
from leaderboard.display import View, live, plain
from sinks import database
from sinks.database import ConnectionLost, Transient

REFRESH_S = 1.0
_LOOK_UP_S = 0.1

Ended = Callable[[float], bool]
"""Waits so many seconds, and says whether a signal has asked for the end."""


def show_once(reader: BoardReader, range_name: str, top: int) -> None:
    """Print one snapshot of both boards.

    :raises Fatal: MariaDB is away or refuses, or nothing is provisioned.
    """
    try:
        print(plain(View(reader.read(range_name)), top))
    except (ConnectionLost, Transient) as error:
        raise database.away(error) from error


def show(reader: BoardReader, range_name: str, *, top: int, every_s: float, page: str | None = None) -> None:
    """Show both boards until Ctrl-C or SIGTERM: live in a terminal, else a snapshot every `every_s` seconds.

    `page` is the address of the page that shows the same; a live board names it, as it covers what was said before.
    While MariaDB is away the last boards stay, with the reason.

    :raises Fatal: MariaDB refuses the user, or nothing is provisioned.
    """
    console = Console()
    with _ended_by_signals() as ended:
        if console.is_terminal and not console.is_dumb_terminal:
            _show_live(console, ended, reader, range_name, page)
        else:
            _each(ended, every_s, reader, range_name, lambda view: print(plain(view, top), end="\n\n", flush=True))


def _show_live(console: Console, ended: Ended, reader: BoardReader, range_name: str, page: str | None) -> None:
    head = [Text(f"the page: {page}")] if page else []
    with Live(console=console, screen=True, auto_refresh=False) as screen:

        def draw(view: View) -> None:
            screen.update(Group(*head, live(view, console.height - len(head))), refresh=True)

        _each(ended, REFRESH_S, reader, range_name, draw)


def _each(ended: Ended, every_s: float, reader: BoardReader, range_name: str, draw: Callable[[View], Any]) -> None:
    view = View()
    while True:
        reading = _reading(view, reader, range_name)
        while not reading.done():
            wait([reading], _LOOK_UP_S)
            if ended(0):
                return  # MariaDB may need longer to answer than anybody wants to wait
        view = reading.result()
        draw(view)
        if ended(every_s):
            return


def _reading(view: View, reader: BoardReader, range_name: str) -> "Future[View]":
    """Read the next view on a thread of its own; without an answer it is left to end with the process."""
    reading: Future[View] = Future()

    def read() -> None:
        try:
            reading.set_result(_next(view, reader, range_name))
        except Fatal as fatal:
            reading.set_exception(fatal)

    threading.Thread(target=read, name="reader", daemon=True).start()
    return reading


def _next(view: View, reader: BoardReader, range_name: str) -> View:
    try:
        return view.with_boards(reader.read(range_name))
    except (ConnectionLost, Transient) as error:
        return view.with_trouble(f"old: {database.away(error).line}")


@contextmanager
def _ended_by_signals() -> Iterator[Ended]:
    # No threading.Event: set() in a handler waits for ever for the lock that an interrupted wait() holds.
    hears, tells = os.pipe()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: os.write(tells, b"!")) for number in signals]
    try:
        yield lambda wait_s: bool(select.select([hears], [], [], wait_s)[0])
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
        os.close(hears)
        os.close(tells)
