"""The MariaDB sink's connection is killed, reset, or idle: its lock and its totals stay right."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from clients import mariadb
from clients.mariadb import ConnectionLost, Login
from partition import committer
from partition import position as position_module
from process.errors import Fatal
from settings import Settings
from tests.integration.parts import DEADLINE_S, owned
from tests.integration.totals import (
    change_sessions,
    connections,
    lock_of,
    position,
    rows_locked,
    sink_of,
    sums,
    totals,
    waits_for_rows,
)
from tests.support import query, wait_until

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")


@pytest.mark.parametrize(("read_timeout_s", "answered"), [(1, False), (12, True)])
def test_a_response_is_awaited_for_as_long_as_the_caller_says(
    settings: Settings, read_timeout_s: int, answered: bool
) -> None:
    """Whether that is less or more than the default of 10 s."""
    connection = mariadb.connect(Login.dataflow(settings), read_timeout_s=read_timeout_s)
    sleeps = "SELECT SLEEP(10.5)"
    with closing(connection), mariadb.translated("sleeping"):
        if answered:
            connection.cursor().execute(sleeps)
        else:
            with pytest.raises(ConnectionLost), mariadb.translated("sleeping"):
                connection.cursor().execute(sleeps)


def test_killed_between_update_and_commit(settings: Settings) -> None:
    """The server has rolled back: on a new connection the same batch is sent again."""
    with sink_of(settings) as sink:
        sink.write(sums(0, 1, "locked"))
        with rows_locked(settings):
            sink.hand_over(sums(1, 5, "locked", "new"))
            connection = waits_for_rows(settings)
            query(settings, f"KILL {connection}")
        sink.wait_until_committed(5)
        assert connection not in connections(settings)
    assert totals(settings) == {"locked": (20, 2), "new": (10, 1)}
    assert position(settings) == (5, 5, 3, 2)


def test_killed_while_idle(settings: Settings) -> None:
    """Nothing is under way: it connects again with the next batch, and holds the partition's lock again."""
    with sink_of(settings) as sink:
        sink.write(sums(0, 5, "USA"))
        (connection,) = connections(settings)
        query(settings, f"KILL {connection}")
        sink.write(sums(5, 10, "USA"))
        lock = lock_of(settings)
        assert query(settings, "SELECT IS_USED_LOCK(?)", (lock,)) == [tuple(connections(settings))]
    assert totals(settings) == {"USA": (20, 2)}


class Proxy:
    """A proxy to MariaDB that resets the connection once a word has passed, before anything comes back."""

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
        """Carry one request and its reply after the other: the client waits for each."""
        replying = threading.Thread(target=self._reply, args=(far, near), daemon=True)
        replying.start()
        with suppress(OSError), near, far:
            while chunk := near.recv(65_536):
                if self.word and self.word in chunk:
                    self.word = None
                    near.shutdown(socket.SHUT_RDWR)
                    far.sendall(chunk)
                    replying.join()  # the server has replied, or ended: either way it has done what was requested
                    return
                far.sendall(chunk)

    @staticmethod
    def _reply(far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while chunk := far.recv(65_536):
                near.sendall(chunk)


@pytest.fixture
def proxy(settings: Settings) -> Iterator[Proxy]:
    """A proxy to the test's server."""
    proxy = Proxy(settings.mariadb_host, settings.mariadb_port)
    yield proxy
    proxy.close()


def test_reset_between_commit_and_its_reply(settings: Settings, proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """The server has committed and the client does not know: the position shows it, and nothing is added twice."""
    reached = replace(settings, mariadb_host="127.0.0.1", mariadb_port=proxy.port)
    with sink_of(reached) as sink, caplog.at_level(logging.DEBUG):
        sink.write(sums(0, 1, "USA"))
        proxy.word = b"COMMIT"
        sink.write(sums(1, 5, "USA"))
        assert proxy.word is None
        assert "connected again" in caplog.text
        sink.write(sums(5, 6, "USA"))
    assert totals(settings) == {"USA": (30, 3)}
    assert position(settings) == (6, 6, 3, 3)


def test_a_position_moved_while_the_connection_was_lost(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, found when the idle committer connects again."""
    monkeypatch.setattr(committer, "KEEP_ALIVE_S", 0.2)
    with sink_of(settings) as sink:
        sink.write(sums(0, 5, "USA"))
        query(settings, "UPDATE progress SET next_offset = 3")
        (connection,) = connections(settings)
        query(settings, f"KILL {connection}")
        with pytest.raises(Fatal, match="progress stands at offset 3, but 5 was expected"):
            wait_until(lambda: not sink.has_committed(5), deadline_s=DEADLINE_S, what="its error")


def test_a_lost_connection_of_an_idle_partition_is_replaced(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No batch comes, but the partition's lock must be held again."""
    monkeypatch.setattr(committer, "KEEP_ALIVE_S", 0.2)
    with sink_of(settings) as sink:
        (connection,) = connections(settings)
        query(settings, f"KILL {connection}")
        lock = lock_of(settings)
        (holder,) = wait_until(
            lambda: [
                row for row in query(settings, "SELECT IS_USED_LOCK(?)", (lock,)) if row[0] not in {None, connection}
            ],
            deadline_s=30,
            what="the lock is held by another connection",
        )
        assert list(holder) == connections(settings)
        assert sink.position == 0


def test_an_idle_partition_keeps_its_connection(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The committer sends keep-alives: wait_timeout would end the connection, and the partition's lock with it."""
    monkeypatch.setattr(committer, "KEEP_ALIVE_S", 0.2)
    change_sessions(monkeypatch, " wait_timeout = 60", " wait_timeout = 2")
    with sink_of(settings) as sink:
        before = connections(settings)
        until = time.monotonic() + 3
        wait_until(lambda: time.monotonic() > until, deadline_s=30, what="3 s without a batch")
        assert connections(settings) == before
        assert not sink.committer.owned.connection.lost


def test_a_partition_keeps_its_connection_while_kafka_is_slow(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Kafka transaction may take a minute: between its steps the connection is kept alive."""
    monkeypatch.setattr(position_module, "KEEP_ALIVE_S", 0.2)
    change_sessions(monkeypatch, " wait_timeout = 60", " wait_timeout = 2")
    with owned(settings) as (_, partition):
        before = connections(settings)
        until = time.monotonic() + 3

        def step() -> bool:
            partition.connection.keep_alive_if_idle()
            return time.monotonic() > until

        wait_until(step, deadline_s=30, what="3 s of steps")
        assert connections(settings) == before
        assert not partition.connection.lost


def test_an_idle_partition_of_a_dead_process_is_freed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """No keep-alive comes: after wait_timeout the lock is free for another dataflow."""
    change_sessions(monkeypatch, " wait_timeout = 60", " wait_timeout = 1")
    with owned(settings) as (_, dead):
        wait_until(lambda: not connections(settings), deadline_s=30, what="the idle connection's end")
        assert not dead.connection.lost  # it has not noticed yet
        with owned(settings):
            pass
