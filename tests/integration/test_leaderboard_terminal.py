"""`python -m leaderboard --terminal`: live in a terminal, plain text elsewhere, always with the reason if old."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice, pairwise

import pytest

from clients import mariadb
from clients.mariadb import ConnectionLost, Login
from leaderboard.boards import BoardReader, Boards
from leaderboard.top import Entry
from process.deadline import Deadline
from settings import Settings
from tests.proxy import Proxy
from tests.support import process_environment, query, wait_until

COMMAND = (sys.executable, "-m", "leaderboard", "--terminal")
ROWS = [
    (5, "2026-11-23 20:00:00", "action", "ORDER", 100, 2),
    (5, "2026-11-23 20:01:05", "action", "FAQ", 7, 1),
    (5, "2026-11-23 20:01:05", "country", "Côte d'Ivoire", 7, 1),
    (60, "2026-11-23 20:00:00", "action", "ORDER", 100, 2),
    (60, "2026-11-23 20:01:00", "action", "FAQ", 7, 1),
    (3600, "2026-11-23 20:00:00", "action", "ORDER", 100, 2),
    (86400, "2026-11-23 00:00:00", "action", "ORDER", 100, 2),
    (86400, "2026-11-23 00:00:00", "action", "FAQ", 7, 1),
    (86400, "2026-11-23 00:00:00", "country", "Côte d'Ivoire", 107, 3),
    (86400, "2025-06-01 00:00:00", "action", "FAQ", 500, 9),
]


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A database with some windows, each length with figures of its own."""
    for row in ROWS:
        query(settings, "INSERT INTO window_totals VALUES (?, ?, ?, ?, ?, ?)", row)
    counted = (
        "UPDATE progress SET messages = 13, visits = 12, rejected = 1, max_visit_date = ? WHERE kafka_partition = 0"
    )
    query(settings, counted, ("2026-11-23 20:01:07.25",))
    return settings


def _boards(settings: Settings, range_name: str) -> Boards:
    reader = BoardReader(Login.reader(settings))
    try:
        return reader.read(range_name)
    finally:
        reader.close()


@pytest.mark.parametrize(
    ("range_name", "action"),
    [
        ("window", [Entry(1, "FAQ", 7, 1, 1.0)]),
        ("1m", [Entry(1, "FAQ", 7, 1, 1.0)]),
        ("5m", [Entry(1, "ORDER", 100, 2, 100 / 107), Entry(2, "FAQ", 7, 1, 7 / 107)]),
        ("today", [Entry(1, "ORDER", 100, 2, 100 / 107), Entry(2, "FAQ", 7, 1, 7 / 107)]),
        ("all", [Entry(1, "FAQ", 507, 10, 507 / 607), Entry(2, "ORDER", 100, 2, 100 / 607)]),
    ],
)
def test_a_range_ends_with_the_latest_visit(filled: Settings, range_name: str, action: list[Entry]) -> None:
    """Each range is the sum of its windows, the longest ones that fit."""
    boards = _boards(filled, range_name)
    assert boards.boards["action"].entries == action
    assert (boards.messages, boards.visits, boards.rejected) == (13, 12, 1)


def test_a_visit_dated_ahead_does_not_empty_the_ranges(filled: Settings) -> None:
    """Ranges end at the database's current time then."""
    query(filled, "UPDATE progress SET max_visit_date = '2099-01-01' WHERE kafka_partition = 1")
    boards = _boards(filled, "today")
    assert boards.as_of == boards.read_at


def test_one_snapshot_is_plain_text(filled: Settings, environment: dict[str, str]) -> None:
    """Without a terminal there are no control codes, and both boards are whole."""
    ended = subprocess.run(
        [*COMMAND, "--once"], env=process_environment(environment), capture_output=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode() == (
        "as of 2026-11-23T20:01:07Z | all | 12 visits, 1 rejected in all | - visits/s\n"
        "\n"
        "LAST ACTION (2)\n"
        "rank  entry  visits  duration  share\n"
        "   1  FAQ        10    8m 27s  83.5%\n"
        "   2  ORDER       2    1m 40s  16.5%\n"
        "\n"
        "COUNTRY (1)\n"
        "rank  entry          visits  duration   share\n"
        "   1  Côte d'Ivoire       3    1m 47s  100.0%\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_snapshots_continue_until_a_signal(
    filled: Settings, environment: dict[str, str], number: signal.Signals
) -> None:
    """One every 0.1 s; Ctrl-C and SIGTERM end it with exit code 0."""
    with subprocess.Popen(
        [*COMMAND, "--every", "0.1"], env=process_environment(environment), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        seen = 0
        while seen < 3:
            line = process.stdout.readline()
            assert line, "it ended by itself"
            seen += line.startswith(b"as of ")
        process.send_signal(number)
        rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert b"Traceback" not in rest


def _read(terminal: int, until: bytes, deadline_s: float = 30) -> bytes:
    read = b""
    deadline = Deadline(deadline_s)
    poll = select.poll()
    poll.register(terminal, select.POLLIN)
    while until not in read:
        assert not deadline.passed, f"{until!r} is not in {read!r}"
        if poll.poll(200):
            with suppress(OSError):
                read += os.read(terminal, 65_536)
    return read


@contextmanager
def _in_a_terminal(variables: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    terminal, inner = pty.openpty()
    environ = process_environment(variables) | {"TERM": "xterm-256color", "COLUMNS": "140", "LINES": "30"}
    process = subprocess.Popen(COMMAND, env=environ, stdin=inner, stdout=inner, stderr=inner)
    os.close(inner)
    try:
        yield process, terminal
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(terminal)


def test_a_terminal_shows_both_boards_live(filled: Settings, environment: dict[str, str]) -> None:
    """A new visit appears by itself; SIGTERM ends it, and the terminal is as before."""
    with _in_a_terminal(environment) as (process, terminal):
        assert b"COUNTRY" in _read(terminal, b"Ivoire")
        query(filled, "INSERT INTO window_totals VALUES (86400, '2026-11-23', 'action', 'CATALOG', 9, 1)")
        _read(terminal, b"CATALOG")
        process.send_signal(signal.SIGTERM)
        _read(terminal, b"\x1b[?1049l")
        assert process.wait(10) == 0


@pytest.fixture
def proxy(filled: Settings) -> Iterator[Proxy]:
    """A proxy before MariaDB, for one test."""
    proxy = Proxy(filled.mariadb_host, filled.mariadb_port)
    yield proxy
    proxy.interrupt()


def test_the_last_boards_stay_while_mariadb_is_unavailable(
    filled: Settings, environment: dict[str, str], proxy: Proxy
) -> None:
    """They are grey then, with the reason; when it is available again they are live."""
    with _in_a_terminal(environment | {"MARIADB_PORT": str(proxy.port)}) as (process, terminal):
        _read(terminal, b"Ivoire")
        proxy.interrupt()
        gone = _read(terminal, b"old: MariaDB at ")
        assert b"ORDER" in gone + _read(terminal, b"Ivoire")
        proxy.open()
        query(filled, "INSERT INTO window_totals VALUES (86400, '2026-11-23', 'action', 'CATALOG', 9, 1)")
        _read(terminal, b"CATALOG")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_old_boards_are_marked_without_a_terminal(filled: Settings, environment: dict[str, str], proxy: Proxy) -> None:
    """While MariaDB is unavailable the reason is above the last boards in every snapshot, and in none afterwards."""
    with subprocess.Popen(
        [*COMMAND, "--every", "0.1"],
        env=process_environment(environment | {"MARIADB_PORT": str(proxy.port)}),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        assert not [line for line in islice(lines, 20) if line.startswith("old: ")]
        proxy.interrupt()
        old = next(line for line in lines if line.startswith("old: "))
        assert "is MariaDB running" in old
        assert "ORDER" in "".join(islice(lines, 10))
        proxy.open()
        heads = (following for line, following in pairwise(lines) if line.startswith("as of "))
        assert next(line for line in heads if not line.startswith("old: ")) == "\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_5_s_when_mariadb_never_responds(
    number: signal.Signals, filled: Settings, environment: dict[str, str], proxy: Proxy
) -> None:
    """The server keeps the connection and stops responding: a signal still ends the boards."""
    with subprocess.Popen(
        [*COMMAND, "--every", "0.1"],
        env=process_environment(environment | {"MARIADB_PORT": str(proxy.port)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("as of ")
        proxy.stall()
        wait_until(lambda: proxy.dropped, deadline_s=20, what="a query without a response")
        began = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - began < 5
    assert (process.returncode, errors) == (0, "")


def test_a_connection_that_the_server_ended_is_replaced(filled: Settings) -> None:
    """wait_timeout closes idle connections; the next reading opens another."""
    reader = BoardReader(Login.reader(filled))
    before = reader.read("all")
    sleeping = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?"
    for (number,) in query(filled, sleeping, (filled.mariadb_reader_user,)):
        query(filled, f"KILL {number}")
    wait_until(
        lambda: not query(filled, sleeping, (filled.mariadb_reader_user,)), deadline_s=10, what="the connection is gone"
    )
    assert reader.read("all").boards["action"] == before.boards["action"]
    reader.close()


def test_an_unavailable_server_is_an_error(filled: Settings, proxy: Proxy) -> None:
    """A reader that never had a connection raises it."""
    proxy.interrupt()
    reader = BoardReader(Login.reader(filled)._replace(port=proxy.port))
    with pytest.raises(ConnectionLost, match="2002"):
        reader.read("all")
    assert "is MariaDB running" in mariadb.unavailable(ConnectionLost("x")).message


def test_nothing_provisioned_is_one_clear_message(environment: dict[str, str]) -> None:
    """Exit code 78, and no traceback."""
    ended = subprocess.run(
        [*COMMAND, "--once"],
        env=process_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    assert ended.stderr.count("\n") == 1
    assert "run python -m ops provision" in ended.stderr
