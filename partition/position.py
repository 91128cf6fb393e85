"""A partition's own connection to MariaDB: it holds the lock, reads the position and writes the totals."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from clients.sql import queries
from operators.last_read import LastRead
from partition.pipeline import read_lock_secret
from process.cancellation import Cancellation
from process.deadline import Deadline
from process.errors import ExitCode, Fatal

LOCK_WAIT_S = 10
KEEP_ALIVE_S = 15.0  # wait_timeout, 60 s, would close an idle connection and release the partition's lock


def lock_name(database_name: str, topic: str, partition: int, secret: str) -> str:
    """Return the name of a partition's lock; hashed, since MariaDB limits names to 192 bytes.

    Whoever may connect may take a lock whose name it knows: the secret keeps others from knowing it.
    """
    return hashlib.sha256(f"{database_name}/{topic}/{partition}{secret}".encode()).hexdigest()


class PartitionConnection:
    """One connection that owns one partition for as long as it lives; used by one thread at a time.

    :raises ConnectionLost: from any method, when the connection is gone: open it again, then read the position.
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
        self.lost = True  # until the position is known
        self.most_packet_bytes = 0  # until it is open

    @property
    def where(self) -> str:
        """The partition, for messages."""
        return f"topic {self._topic!r} partition {self._partition}"

    def open(self, cancellation: Cancellation, *, wait_s: int = LOCK_WAIT_S) -> None:
        """Connect and take the partition's lock, waiting at most `wait_s` seconds for its holder.

        :raises Fatal: HELD when another dataflow keeps it; that one is not disturbed.
        :raises Cancelled: found every second of the wait.
        """
        self.close()
        self._connection = mariadb.connect(self._login)
        self._cursor = self._connection.cursor()
        (self.most_packet_bytes,) = self._fetch_one("most_packet_bytes", ()) or (0,)
        name = lock_name(str(self._login.database), self._topic, self._partition, self._lock_secret())
        deadline = Deadline(wait_s)
        while self._fetch_one("lock_partition", (name, 1)) != (1,):
            if deadline.passed:
                raise Fatal(self._held_message(name), ExitCode.HELD)
            cancellation.check()

    def position(self) -> int:
        """Return progress.next_offset; waits for a commit in progress, and leaves no transaction open.

        From here on nothing is in doubt: the connection is no longer lost.
        """
        position = self.position_in_transaction()
        self.commit()
        self.lost = False
        return position

    def position_in_transaction(self) -> int:
        """Return progress.next_offset within the current transaction.

        :raises Fatal: DATA when the row is gone.
        """
        row = self._fetch_one("lock_position", (self._topic_id, self._partition))
        if row is None:
            raise Fatal(missing_row_message(self._topic, [self._partition]), ExitCode.DATA)
        return int(row[0])

    def last_read(self) -> LastRead | None:
        """Return the last message that was counted; None before the first, or where no version noted it."""
        row = self._fetch_one("last_read", (self._topic_id, self._partition))
        self.commit()
        return None if row is None or row[0] is None else LastRead(*row)

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
        """Roll back: an error may have undone only one statement."""
        with self._translated():
            self._connection.rollback()

    def keep_alive(self) -> None:
        """Send a statement that does nothing."""
        self.execute("keep_alive", ())
        self.commit()

    def keep_alive_if_idle(self) -> None:
        """Do so after 15 s without use; a connection found lost is opened again when it is needed."""
        if not self.lost and time.monotonic() - self._used_at > KEEP_ALIVE_S:
            with suppress(ConnectionLost, Transient):
                self.keep_alive()

    def holds_lock(self) -> bool:
        """Return whether the connection still lives, and with it the lock."""
        try:
            if not self.lost:
                self.keep_alive()
        except (ConnectionLost, Transient):
            return False
        return not self.lost

    def close(self) -> None:
        """Close without committing: the server rolls back and releases the lock."""
        connection, self._connection, self._cursor, self.lost = self._connection, None, None, True
        if connection is not None:
            with suppress(ConnectionLost, Transient, Fatal), self._translated():
                connection.close()  # one that is gone already is closed

    def _lock_secret(self) -> str:
        with self._translated():
            secret = read_lock_secret(self._cursor)
        if secret is None:
            raise Fatal("table pipeline_secret is empty; run python -m ops provision", ExitCode.CONFIG)
        return secret

    def _fetch_one(self, name: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
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
        holder = self._fetch_one("lock_holder", (name,))
        who = f"connection {holder[0]} of {holder[1]}@{holder[2]}" if holder else "a connection it may not see"
        return f"{self.where} is owned by another dataflow: {who}; stop that one first, or leave it running"


def missing_row_message(topic: str, partitions: list[int]) -> str:
    """Return the error message for progress rows that were provisioned and are gone."""
    named = ", ".join(map(str, partitions))
    return (
        f"progress has no row for topic {topic!r} partition {named}, although it was provisioned; a new row would "
        "count everything twice: restore the database, or start over by python -m ops reset --yes"
    )
