"""A partition's own connection to MariaDB: it holds the lock, reads the position and writes the totals."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from clients.sql import queries
from process.errors import ExitCode, Fatal

LOCK_WAIT_S = 10
KEEP_ALIVE_S = 12.0  # less than the 15 s after which an idle source asks


def lock_name(database_name: str, topic: str, partition: int) -> str:
    """Return the name of a partition's lock; hashed, since MariaDB ends names at 192 bytes."""
    return hashlib.sha256(f"{database_name}/{topic}/{partition}".encode()).hexdigest()


class PartitionConnection:
    """One connection that owns one partition for as long as it lives.

    :raises ConnectionLost: from any method, when the connection is gone: call `reopen`.
    :raises Transient: from any method, when the statement lost against another one.
    :raises Fatal: from any method, for anything else.
    """

    def __init__(self, login: Login, topic: str, topic_id: str, partition: int) -> None:
        self._login = login
        self._topic = topic
        self._topic_id = topic_id
        self._partition = partition
        self._used_at = time.monotonic()
        self._connection: Any = None
        self._cursor: Any = None
        self.in_use = threading.RLock()  # held for a whole transaction: nobody closes what another thread uses
        self.lost = True  # until the position is known
        self.ended = False

    @property
    def where(self) -> str:
        """The partition, for messages."""
        return f"topic {self._topic!r} partition {self._partition}"

    def open(self, wait_s: int = LOCK_WAIT_S, go_on: Callable[[], None] = lambda: None) -> None:
        """Connect and take the partition's lock, waiting at most `wait_s` seconds for its holder.

        `go_on` is called every second of that, and ends the waiting by raising.

        :raises Fatal: HELD when another dataflow keeps it; it is not disturbed.
        """
        self.close()
        self._connection = mariadb.connect(self._login)
        self._cursor = self._connection.cursor()
        name = lock_name(str(self._login.database), self._topic, self._partition)
        deadline = time.monotonic() + wait_s
        while self._one("lock_partition", (name, 1)) != (1,):
            if time.monotonic() >= deadline:
                raise Fatal(self._held_message(name), ExitCode.HELD)
            go_on()

    def position(self) -> int:
        """Return progress.next_offset; waits for a commit under way, and leaves no transaction open.

        From here on nothing is in doubt: the connection is no longer lost.
        """
        position = self.position_now()
        self.commit()
        self.lost = False
        return position

    def position_now(self) -> int:
        """Return progress.next_offset within the present transaction.

        :raises Fatal: DATA when the row is gone.
        """
        row = self._one("claim_position", (self._topic_id, self._partition))
        if row is None:
            raise Fatal(missing_row_message(self._topic, [self._partition]), ExitCode.DATA)
        return int(row[0])

    def execute(self, name: str, values: tuple[Any, ...]) -> int:
        """Run a named statement; return how many rows it changed."""
        with self._translated():
            self._cursor.execute(queries()[name], values)
            return int(self._cursor.rowcount)

    def commit(self) -> None:
        """Commit."""
        with self._translated():
            self._connection.commit()

    def rollback(self) -> None:
        """Roll back: an error may have undone one statement alone."""
        with self._translated():
            self._connection.rollback()

    @property
    def silent(self) -> bool:
        """Whether it is time to say something: wait_timeout ends an idle connection, and its lock with it."""
        return time.monotonic() - self._used_at > KEEP_ALIVE_S

    def say_something(self) -> None:
        """Keep the connection alive."""
        self.execute("stay_connected", ())
        self.commit()

    def end(self) -> None:
        """Close for good: what still waits for its turn finds the connection ended, and leaves it alone."""
        with self.in_use:
            self.ended = True
            self.close()

    def close(self) -> None:
        """Close without committing: the server rolls back and frees the lock."""
        with self.in_use:
            connection, self._connection, self._cursor, self.lost = self._connection, None, None, True
            if connection is not None:
                with suppress(ConnectionLost, Transient, Fatal), self._translated():
                    connection.close()  # if it was gone already, that is all that was wanted

    def _one(self, name: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with self._translated():
            self._cursor.execute(queries()[name], values)
            row: tuple[Any, ...] | None = self._cursor.fetchone()
            return row

    @contextmanager
    def _translated(self) -> Iterator[None]:
        self._used_at = time.monotonic()
        try:
            with translated(f"{self.where}: {self._login}"):
                yield
        except ConnectionLost:
            self.lost = True
            raise

    def _held_message(self, name: str) -> str:
        holder = self._one("lock_holder", (name,))
        who = f"connection {holder[0]} of {holder[1]}@{holder[2]}" if holder else "a connection it may not name"
        return f"{self.where} is owned by another dataflow: {who}; stop that one first, or leave it running"


def missing_row_message(topic: str, partitions: list[int]) -> str:
    """Return the line for progress rows that were noted and are gone."""
    named = ", ".join(map(str, partitions))
    return (
        f"progress has no row for topic {topic!r} partition {named}, although it was provisioned; a row made anew "
        "would count everything twice: restore the database, or start over by python -m ops reset --yes"
    )
