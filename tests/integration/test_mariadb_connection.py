"""The MariaDB sink's connection is killed, cut, or idle: its lock and its totals stay right."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

import partition.position
from process.errors import Fatal
from settings import Settings
from tests.integration.parts import DEADLINE_S, claimed
from tests.integration.totals import (
    ask,
    change_sessions,
    committed,
    connections,
    position,
    rows_locked,
    sink_of,
    sums,
    totals,
    waits_for_rows,
    write,
)
from tests.support import query, wait_until

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")


def test_killed_between_update_and_commit(settings: Settings) -> None:
    """The server has rolled back: on a new connection the same cut is sent again."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, sums(0, 1, "locked"))
        claim.outputs = 5
        with rows_locked(settings):
            sink.write_batch([sums(1, 5, "locked", "new")])
            connection = waits_for_rows(settings, sink, 5)
            query(settings, f"KILL {connection}")
        committed(sink, claim, 5)
        assert connection not in connections(settings)
    assert totals(settings) == {"locked": (20, 2), "new": (10, 1)}
    assert position(settings) == (5, 5, 3, 2)


def test_killed_while_idle(settings: Settings) -> None:
    """Nothing is under way: it connects again when it is asked, and holds the partition's lock again."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, sums(0, 5, "USA"))
        (connection,) = connections(settings)
        query(settings, f"KILL {connection}")
        write(sink, claim, sums(5, 10, "USA"))
        lock = partition.position.lock_name(settings.mariadb_database, settings.visits_topic, 0)
        assert query(settings, "SELECT IS_USED_LOCK(?)", (lock,)) == [tuple(connections(settings))]
    assert totals(settings) == {"USA": (20, 2)}


class Line:
    """A line to MariaDB that is cut after a word has passed, before anything comes back."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.word: bytes | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        """Carry one question and its answer after the other: the client waits for each."""
        answering = threading.Thread(target=self._answer, args=(far, near), daemon=True)
        answering.start()
        with suppress(OSError), near, far:
            while chunk := near.recv(65_536):
                if self.word and self.word in chunk:
                    self.word = None
                    near.shutdown(socket.SHUT_RDWR)
                    far.sendall(chunk)
                    answering.join()  # the server has answered, or ended: either way it has done what it was told
                    return
                far.sendall(chunk)

    @staticmethod
    def _answer(far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while chunk := far.recv(65_536):
                near.sendall(chunk)


@pytest.fixture
def line(settings: Settings) -> Iterator[Line]:
    """A line to the test's server."""
    line = Line(settings.mariadb_host, settings.mariadb_port)
    yield line
    line.close()


def test_cut_between_commit_and_its_answer(settings: Settings, line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """The server has committed and nobody knows: the position tells, and nothing is added twice."""
    reached = replace(settings, mariadb_host="127.0.0.1", mariadb_port=line.port)
    with sink_of(reached) as (sink, claim), caplog.at_level(logging.INFO):
        write(sink, claim, sums(0, 1, "USA"))
        line.word = b"COMMIT"
        write(sink, claim, sums(1, 5, "USA"))
        assert line.word is None
        assert "connected again" in caplog.text
        write(sink, claim, sums(5, 6, "USA"))
    assert totals(settings) == {"USA": (30, 3)}
    assert position(settings) == (6, 6, 3, 3)


def test_a_position_moved_while_the_connection_was_lost(settings: Settings) -> None:
    """The same, found when it connects again."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, sums(0, 5, "USA"))
        query(settings, "UPDATE progress SET next_offset = 3")
        claim.connection.close()
        with pytest.raises(Fatal, match="progress stands at offset 3, but 5 was expected"):
            wait_until(lambda: ask(sink, 5), deadline_s=DEADLINE_S, what="its line")


def test_an_idle_partition_keeps_its_connection(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says something now and then: wait_timeout would end the connection, and the partition's lock with it."""
    monkeypatch.setattr(partition.position, "KEEP_ALIVE_S", 0.2)
    change_sessions(monkeypatch, " wait_timeout = 60", " wait_timeout = 2")
    with sink_of(settings) as (sink, claim):
        before = connections(settings)
        until = time.monotonic() + 3
        wait_until(lambda: ask(sink, 0) or time.monotonic() > until, deadline_s=30, what="3 s of asking")
        assert connections(settings) == before
        assert not claim.connection.lost


def test_an_idle_partition_of_a_dead_process_is_freed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says anything: after wait_timeout the lock is free for another dataflow."""
    change_sessions(monkeypatch, " wait_timeout = 60", " wait_timeout = 1")
    with claimed(settings) as (_, claim):
        wait_until(lambda: not connections(settings), deadline_s=30, what="the idle connection's end")
        assert not claim.connection.lost  # it does not know yet
        with claimed(settings):
            pass
