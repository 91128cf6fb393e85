"""The positions that the dataflow commits to MariaDB, as its readers see them."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient
from process.errors import ExitCode, Fatal
from settings import Settings

_POLL_S = 0.001
_POSITIONS = "SELECT kafka_partition, next_offset FROM progress"
_COUNTED = "SELECT SUM(messages) FROM progress"


class Advance(NamedTuple):
    """A partition's next_offset when it was first seen, at a time of the monotonic clock, seconds."""

    partition: int
    next_offset: int
    seen_s: float


class Observed(NamedTuple):
    """All advances in the order in which they were seen, and when each poll had its result."""

    advances: list[Advance]
    polled_s: list[float]


@contextmanager
def reading(settings: Settings) -> Iterator[Any]:
    """Yield a reader's cursor; every statement sees what is committed when it begins.

    :raises Fatal: MariaDB is unavailable or refuses the reader.
    """
    login = Login.reader(settings)
    try:
        with closing(mariadb.connect(login)) as connection, mariadb.translated(str(login)):
            connection.autocommit = True
            yield connection.cursor()
    except (ConnectionLost, Transient) as error:
        raise mariadb.unavailable(error) from error


def counted(cursor: Any) -> int:
    """Return how many messages the dataflow has counted."""
    cursor.execute(_COUNTED)
    return int(cursor.fetchone()[0])


class Observer:
    """A process of its own that polls all positions about 1000 times a second, by one connection.

    Its clock is that of every process: the monotonic clock belongs to the machine.
    """

    def __init__(self, settings: Settings) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_observe, args=(settings, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._received()  # the positions before the first advance are known

    def finish(self) -> Observed:
        """Poll once more; return everything.

        :raises Fatal: the observer lost MariaDB.
        """
        self._pipe.send(None)
        observed: Observed = self._received()
        return observed

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()
        self._pipe.close()

    def _received(self) -> Any:
        try:
            received = self._pipe.recv()
        except EOFError:
            received = "no message"
        if isinstance(received, str):
            reason = received.strip()
            raise Fatal(f"the observer of table progress ended: {reason}", ExitCode.UNAVAILABLE)
        return received


def _observe(settings: Settings, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the benchmark ends it
    try:
        with reading(settings) as cursor:
            cursor.execute(_POSITIONS)
            positions = dict(cursor.fetchall())
            pipe.send(None)
            pipe.send(_polled(cursor, positions, pipe))
    except Fatal as fatal:
        pipe.send(fatal.message)


def _polled(cursor: Any, positions: dict[int, int], pipe: Connection) -> Observed:
    """Poll until anything arrives through the pipe, and once more."""
    observed = Observed([], [])
    while True:
        begun = time.monotonic()
        ending = pipe.poll()
        cursor.execute(_POSITIONS)
        rows = cursor.fetchall()
        seen_s = time.monotonic()
        observed.polled_s.append(seen_s)
        for partition, next_offset in rows:
            if positions[partition] != next_offset:
                positions[partition] = next_offset
                observed.advances.append(Advance(partition, next_offset, seen_s))
        if ending:
            return observed
        time.sleep(max(0.0, begun + _POLL_S - time.monotonic()))
