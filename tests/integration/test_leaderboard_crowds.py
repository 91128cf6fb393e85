"""Clients that occupy connections: silent ones are dropped, too many are refused, and the others are served."""

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from leaderboard.connection import REQUEST_TIMEOUT_S
from ops.servers.processes import free_port
from ops.servers.software import ROOT
from settings import Settings
from tests.browser.server import Board, serving
from tests.support import process_environment, wait_until

SILENT = 300


@pytest.fixture
def board(settings: Settings, environment: dict[str, str], tmp_path: Path) -> Iterator[Board]:
    """The leaderboard of the test's database."""
    with serving(environment, tmp_path) as board:
        yield board


@contextmanager
def _connected(board: Board, count: int, host: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """Open connections from an address of this machine."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                closing(socket.create_connection(("127.0.0.1", board.port), timeout=60, source_address=(host, 0)))
            )
            for _ in range(count)
        ]


def _is_closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(4096)
    except ConnectionResetError:
        return True


def test_silent_connections_are_dropped_and_the_others_are_served(board: Board) -> None:
    """300 that send nothing or half a request, and one that sends a byte from time to time: for 10 s, no longer."""
    began = time.monotonic()
    with _connected(board, SILENT) as silent, _connected(board, 1) as [slow]:
        for connection in silent[::2]:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: boa")
        assert board.get("/livez").code == 200
        slow.settimeout(0.5)

        def dropped() -> bool:
            try:
                slow.sendall(b"G")
                return _is_closed(slow)
            except TimeoutError:
                return False
            except OSError:
                return True

        wait_until(dropped, deadline_s=REQUEST_TIMEOUT_S + 20, what="the slow one is dropped")
        assert time.monotonic() - began > REQUEST_TIMEOUT_S - 1
        assert all(_is_closed(connection) for connection in silent)
        assert board.get("/livez").code == 200
    assert board.output().count("\n") == 1, board.output()


@pytest.mark.parametrize(
    "rest", [b"GET /livez HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\nx"]
)
def test_the_next_request_of_a_connection_has_the_same_time(board: Board, rest: bytes) -> None:
    """A second request that never ends, in its header or its body, is dropped too."""
    with _connected(board, 1) as [connection]:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: b\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(rest)
        wait_until(lambda: _is_closed(connection), deadline_s=REQUEST_TIMEOUT_S + 20, what="it is dropped")


def test_a_stream_outlives_the_time_of_a_request(board: Board) -> None:
    """Its request is complete; its events come for as long as it is open."""
    with _connected(board, 1) as [stream]:
        stream.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: b\r\n\r\n")
        until = time.monotonic() + REQUEST_TIMEOUT_S + 2
        while time.monotonic() < until:
            assert stream.recv(65_536)


@pytest.mark.environment(BOARD_MAX_CONNECTIONS_PER_ADDRESS="20")
def test_one_address_cannot_occupy_the_leaderboard(board: Board) -> None:
    """Its further connections get 503 and one log line for all; another address is served, and it again later."""
    with _connected(board, 20, "127.0.0.2"), _connected(board, 30, "127.0.0.2") as refused:
        for connection in refused:
            assert connection.recv(4096).startswith(b"HTTP/1.1 503 Service Unavailable")
            assert _is_closed(connection)
        assert board.get("/livez").code == 200
    message = "connections are refused: 127.0.0.2 has 20 (BOARD_MAX_CONNECTIONS_PER_ADDRESS) already"
    assert board.output().count(message) == 1

    def served() -> bool:
        with _connected(board, 1, "127.0.0.2") as [connection]:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: b\r\n\r\n")
            return connection.recv(4096).startswith(b"HTTP/1.1 200")

    wait_until(served, deadline_s=10, what="127.0.0.2 is served again")


@pytest.mark.environment(BOARD_MAX_CONNECTIONS_PER_ADDRESS="2000")
def test_more_connections_than_descriptors_do_not_flood_the_log(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """With few descriptors there are fewer connections, each beyond is refused, and that is a line or two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with serving(environment, tmp_path) as board:
        resource.prlimit(board.process.pid, resource.RLIMIT_NOFILE, (150, 150))  # below what it has raised it to
        with _connected(board, 64) as first, _connected(board, 64), _connected(board, 64):
            message = "connections cannot be accepted: Too many open files"
            wait_until(lambda: message in board.output(), deadline_s=20, what=message)
            assert all(_is_closed(connection) for connection in first)
            wait_until(lambda: board.get("/livez").code == 200, deadline_s=30, what="it serves")
        assert board.output().count(message) == 1
        assert "Traceback" not in board.output()
        assert len(board.output()) < 2000
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_soft_limit_of_descriptors_is_raised(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """As far as the hard limit allows; the number of connections follows, and too few are an error."""
    command = [sys.executable, "-m", "leaderboard"]
    variables = process_environment(environment | {"BOARD_PORT": str(free_port())})
    ended = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -n 300 && exec "$@"', "sh", *command],
        cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 78
    assert ended.stderr == (
        "the limit of open files is 300, but the leaderboard needs 584; raise it (ulimit -n 2384)\n"
    )
    with serving(environment, tmp_path) as board:
        soft, hard = resource.prlimit(board.process.pid, resource.RLIMIT_NOFILE)
        assert soft >= min(2384, hard)
