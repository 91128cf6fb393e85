"""Viewers who do not read: they cost the others nothing, are sent away, and do not hold the end up."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from settings import Settings
from tests.browser.server import Board, Visits, book, now, serving
from tests.support import wait_until

COUNTRIES = 1000
KERNEL_BYTES = int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text(encoding="ascii").split()[2])


@pytest.fixture
def board(settings: Settings, environment: dict[str, str], tmp_path: Path) -> Iterator[Board]:
    """The leader board of the test's database, with many countries of long names: a third of a megabyte an event."""
    book(settings, *(Visits(now(), "FAQ", f"{at:04}" + 60 * "\N{CHEESE WEDGE}", 1) for at in range(COUNTRIES)))
    with serving(environment, tmp_path) as board:
        yield board


def _ask(board: Board, *, window_bytes: int | None = None) -> socket.socket:
    """Ask for the stream."""
    viewer = socket.socket()
    if window_bytes:
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes)
    viewer.settimeout(20)
    viewer.connect(("127.0.0.1", board.port))
    viewer.sendall(f"GET /api/v1/stream?range=all&limit={COUNTRIES} HTTP/1.1\r\nHost: board\r\n\r\n".encode())
    return viewer


@contextmanager
def _stuck(board: Board, settings: Settings) -> Iterator[socket.socket]:
    """A viewer who has not read what no buffer takes any more; another one has read as much."""
    with closing(_ask(board, window_bytes=4096)) as stuck, closing(_ask(board)) as reading:
        read = 0
        while read < KERNEL_BYTES + 2_000_000:
            book(settings, Visits(now(), "FAQ", "Peru", 1))
            until = read + 300_000
            while read < until:
                received = len(reading.recv(1_000_000))
                assert received, board.said()
                read += received
        yield stuck


def _read_to_its_end(viewer: socket.socket) -> None:
    with suppress(ConnectionResetError):
        while viewer.recv(1_000_000):
            pass


def test_a_viewer_who_does_not_read_is_sent_away(board: Board, settings: Settings) -> None:
    """With one line, after 20 s; the others see what is new all the time."""
    with _stuck(board, settings) as stuck:
        host, port = stuck.getsockname()
        said = f"viewer {host}:{port} has read nothing for 20 s: its connection is ended"
        wait_until(lambda: said in board.said(), deadline_s=30, what=said)
        _read_to_its_end(stuck)
        assert board.get("/api/v1/boards/country?range=all").json["entries_total"] == COUNTRIES + 1
    assert board.end() == 0
    assert board.said().count("\n") == 2, board.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_5_s_with_a_viewer_who_does_not_read(
    number: signal.Signals, board: Board, settings: Settings
) -> None:
    """Nobody waits for him, and nothing is said of it."""
    with _stuck(board, settings):
        began = time.monotonic()
        assert board.end(number) == 0
        assert time.monotonic() - began < 5
    assert board.said().count("\n") == 1, board.said()
