"""The one reader of MariaDB, on a thread of its own: however many look at the page, the database sees one."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient
from leaderboard.boards import BoardReader, Position, read_position, sql
from leaderboard.readings import RangeReader
from leaderboard.two_way import TwoWayCheck
from leaderboard.wire import RangeReading, TwoWaySum
from process.errors import ExitCode, Fatal

POLL_S = 0.3
REREAD_S = 5.0

logger = logging.getLogger(__name__)


class Partition(NamedTuple):
    """Where a partition of the input stands."""

    topic: str
    partition: int
    next_offset: int


class Found(NamedTuple):
    """What one look at the database found; `ranges` are those that were read anew."""

    position: Position
    partitions: list[Partition]
    ranges: list[RangeReading]
    two_way_sum: TwoWaySum


class Trouble(NamedTuple):
    """Why one look at the database found nothing; `unprovisioned`: no restart helps, provisioning does."""

    why: str
    unprovisioned: bool


Wanted = Callable[[], dict[str, bool]]
"""The ranges to keep up to date, and whether each has to be read at once."""


class Poller:
    """Looks at the database every 0.3 s, and reads the ranges that somebody wants when something has changed.

    After a look it pauses for as long as the look took, at least: it never has the database for more than half.
    """

    def __init__(
        self, login: Login, wanted: Callable[[], dict[str, bool]], publish: Callable[[Found | Trouble], Any]
    ) -> None:
        self._reader = BoardReader(login)
        self._wanted = wanted
        self._publish = publish
        self._ranges = RangeReader()
        self._two_way = TwoWayCheck()
        self._last: Position | None = None
        self._read_at: dict[str, float] = {}
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once: somebody waits for a range."""
        self._wake.set()

    def stop(self, within_s: float) -> None:
        """Stop looking; a look that hangs is left to end with the process."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(within_s)

    def alive(self) -> bool:
        """Tell whether it still looks."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            began = time.monotonic()
            found = self._look()
            self._note(found)
            self._publish(found)
            self._wake.wait(max(POLL_S, time.monotonic() - began))
        self._reader.close()

    def _look(self) -> Found | Trouble:
        try:
            return self._reader.snapshot(self._read)
        except (ConnectionLost, Transient) as error:
            return Trouble(mariadb.unavailable(error).message, unprovisioned=False)
        except Fatal as fatal:
            return Trouble(fatal.message, unprovisioned=fatal.code == ExitCode.CONFIG)

    def _read(self, cursor: Any) -> Found:
        position = read_position(cursor)
        last = self._last
        if last and position.messages < last.messages:  # reset, or restored from a dump
            self._two_way.forget()
            self._ranges.forget()
        cursor.execute(sql("partitions"))
        partitions = [Partition(*row) for row in cursor.fetchall()]
        changed = last is None or _mark(last) != _mark(position)
        due = [name for name, at_once in self._wanted().items() if changed or at_once or self._is_due(name)]
        ranges = [self._ranges.read(cursor, name, position) for name in due]
        self._two_way.step(cursor, position)
        if changed:
            self._read_at.clear()
        self._read_at |= dict.fromkeys(due, time.monotonic())
        self._last = position
        return Found(position, partitions, ranges, self._two_way.found)

    def _is_due(self, range_name: str) -> bool:
        return time.monotonic() - self._read_at.get(range_name, float("-inf")) > REREAD_S

    def _note(self, found: Found | Trouble) -> None:
        """Log that the database is away, and that it is back, once each."""
        trouble = found.why if isinstance(found, Trouble) else None
        if trouble and not self._trouble:
            logger.warning("%s", trouble, extra={"action": "away"})
        elif self._trouble and not trouble:
            logger.info("MariaDB answers", extra={"action": "back"})
        self._trouble = trouble


def _mark(position: Position) -> tuple[Any, ...]:
    """Return what tells whether the boards can have changed: what is counted, and which windows a range ends with."""
    as_of_s = int(position.as_of.timestamp()) // position.lengths_s[0]
    return (position.messages, position.visits, position.rejected, position.lengths_s, as_of_s)
