"""Viewers who do not read: they cost the others nothing, are disconnected, and do not delay the end."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from settings import Settings
from tests.browser.server import Board, Visits, add_visits, now, serving
from tests.support import wait_until

COUNTRIES = 1000
KERNEL_BYTES = int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text(encoding="ascii").split()[2])


@pytest.fixture
def board(settings: Settings, environment: dict[str, str], tmp_path: Path) -> Iterator[Board]:
    """The leaderboard of the test's database, with many countries of long names: 330 kB an event."""
    add_visits(settings, *(Visits(now(), "FAQ", f"{at:04}" + 60 * "\N{CHEESE WEDGE}", 1) for at in range(COUNTRIES)))
    with serving(environment, tmp_path) as board:
        yield board


def _connected(board: Board, *, window_bytes: int | None = None) -> socket.socket:
    """Request the stream; return the socket to read it from."""
    viewer = socket.socket()
    if window_bytes:
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes)
    viewer.settimeout(20)
    viewer.connect(("127.0.0.1", board.port))
    viewer.sendall(f"GET /api/v1/stream?range=all&limit={COUNTRIES} HTTP/1.1\r\nHost: board\r\n\r\n".encode())
    return viewer


@contextmanager
def _stuck(board: Board, settings: Settings) -> Iterator[socket.socket]:
    """A viewer who has read nothing although every buffer is full; another one has read as much."""
    with closing(_connected(board, window_bytes=4096)) as stuck, closing(_connected(board)) as reading:
        read = 0
        while read < KERNEL_BYTES + 2_000_000:
            add_visits(settings, Visits(now(), "FAQ", "Peru", 1))
            until = read + 300_000
            while read < until:
                received = len(reading.recv(1_000_000))
                assert received, board.output()
                read += received
        yield stuck


def _read_to_the_end(viewer: socket.socket) -> None:
    with suppress(ConnectionResetError):
        while viewer.recv(1_000_000):
            pass


def test_a_viewer_who_does_not_read_is_disconnected(board: Board, settings: Settings) -> None:
    """With one log line, after 20 s; the others get every change meanwhile."""
    with _stuck(board, settings) as stuck:
        host, port = stuck.getsockname()
        message = f"viewer {host}:{port} has read nothing for 20 s: its connection is closed"
        wait_until(lambda: message in board.output(), deadline_s=30, what=message)
        _read_to_the_end(stuck)
        assert board.get("/api/v1/boards/country?range=all").json["entries_total"] == COUNTRIES + 1
    assert board.end() == 0
    assert board.output().count("\n") == 2, board.output()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_5_s_with_a_viewer_who_does_not_read(
    number: signal.Signals, board: Board, settings: Settings
) -> None:
    """The end does not wait for that viewer, and nothing is logged about it."""
    with _stuck(board, settings):
        began = time.monotonic()
        assert board.end(number) == 0
        assert time.monotonic() - began < 5
    assert board.output().count("\n") == 1, board.output()
