"""The boards in a terminal, refreshed every second; as plain text where standard output is not a terminal."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from clients import mariadb
from clients.mariadb import ConnectionLost, Transient
from leaderboard.boards import BoardReader
from leaderboard.display import View, live, plain
from process.errors import Fatal
from process.signals import Stop, stop_signals

REFRESH_S = 1.0
_POLL_S = 0.1


def show_once(reader: BoardReader, range_name: str, top: int) -> None:
    """Print one snapshot of both boards.

    :raises Fatal: MariaDB is unavailable or refuses the user, or nothing is provisioned.
    """
    try:
        print(plain(View(reader.read(range_name, top)), top))
    except (ConnectionLost, Transient) as error:
        raise mariadb.unavailable(error) from error


def show(reader: BoardReader, range_name: str, *, top: int, every_s: float, page: str | None = None) -> None:
    """Show both boards until Ctrl-C or SIGTERM: live in a terminal, else a snapshot every `every_s` seconds.

    `page` is the address of the page that shows the same; it is shown above live boards, which cover earlier output.
    While MariaDB is unavailable the last boards stay, with the reason.

    :raises Fatal: MariaDB refuses the user, or nothing is provisioned.
    """
    console = Console()
    with stop_signals() as stop:
        if console.is_terminal and not console.is_dumb_terminal:
            _show_live(console, stop, reader, range_name, page)
        else:
            _each(stop, every_s, reader, range_name, lambda view: print(plain(view, top), end="\n\n", flush=True))


def _show_live(console: Console, stop: Stop, reader: BoardReader, range_name: str, page: str | None) -> None:
    head = [Text(f"the page: {page}")] if page else []
    with Live(console=console, screen=True, auto_refresh=False) as screen:

        def draw(view: View) -> None:
            screen.update(Group(*head, live(view, console.height - len(head))), refresh=True)

        _each(stop, REFRESH_S, reader, range_name, draw)


def _each(stop: Stop, every_s: float, reader: BoardReader, range_name: str, draw: Callable[[View], Any]) -> None:
    view = View()
    while True:
        reading = _reading(view, reader, range_name)
        while not reading.done():
            wait([reading], _POLL_S)
            if stop.is_set():
                return  # without waiting for MariaDB, which may not respond for long
        view = reading.result()
        draw(view)
        if stop.wait(every_s):
            return


def _reading(view: View, reader: BoardReader, range_name: str) -> "Future[View]":
    """Read the next view on a thread of its own; one that hangs is abandoned, and ends with the process."""
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
        return view.with_failure(f"old: {mariadb.unavailable(error).message}")
