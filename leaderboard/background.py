"""What takes too long for the poll: slow ranges and the two-way sum, on a connection and a thread of their own.

A range that the poll cannot read in time is read here, in a transaction of its own, one range after the other. So
neither the status nor any other range waits for it. A range that has become fast returns to the poll.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient
from leaderboard.boards import BoardReader, Totals, read_totals
from leaderboard.bounded import BoundedCursor
from leaderboard.readings import RangeReader
from leaderboard.two_way import TwoWayCheck
from leaderboard.wire import RangeReading, TwoWaySum
from process.deadline import Deadline
from process.errors import Fatal

POLL_S = 0.3
FAST_S = 0.2
REREAD_S = 5.0
RANGE_S = 60.0
STATEMENT_S = 30.0
TWO_WAY_S = 5.0

_READ_TIMEOUT_S = 35  # MariaDB ends a statement first

logger = logging.getLogger(__name__)

ActiveRanges = Callable[[], dict[str, bool]]
"""Returns the ranges to keep up to date, and whether each has to be read at once."""


class SlowReading(NamedTuple):
    """A slow range, read by itself; the others are of other instants."""

    reading: RangeReading


class RangeFailure(NamedTuple):
    """Why one range could not be read; the others can."""

    range: str
    why: str


class BackgroundReader:
    """Reads slow ranges and checks the two-way sum; after each it pauses for as long as it took."""

    def __init__(
        self, login: Login, active_ranges: ActiveRanges, publish: Callable[[SlowReading | RangeFailure], Any]
    ) -> None:
        self._reader = BoardReader(login, read_timeout_s=_READ_TIMEOUT_S)
        self._active_ranges = active_ranges
        self._publish = publish
        self._ranges = RangeReader()
        self._two_way = TwoWayCheck()
        self._slow: dict[str, Deadline] = {}
        self._failures: dict[str, str] = {}
        self._messages = 0
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)

    @property
    def two_way_sum(self) -> TwoWaySum:
        """The latest result of the two-way sum."""
        return self._two_way.found

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Stop reading; a query that takes longer is abandoned, and ends with the process."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(within_s)

    def alive(self) -> bool:
        """Return whether its thread is running."""
        return self._thread.is_alive()

    def add(self, range_name: str) -> None:
        """Read this range from now on: the poll has not read it in time."""
        self._slow.setdefault(range_name, Deadline(0))
        self._wake.set()

    def slow(self, range_name: str) -> bool:
        """Return whether this range is read here."""
        return range_name in self._slow

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            for work in (self._next_range, self._check):
                began = time.monotonic()
                work()
                self._stopping.wait(time.monotonic() - began)
            self._wake.wait(POLL_S)
        self._reader.close()

    def _next_range(self) -> None:
        due = [name for name in self._active_ranges() if name in self._slow and self._slow[name].passed]
        if not due:
            return
        name = min(due, key=lambda name: self._slow[name].at)  # the one that has waited longest
        began = time.monotonic()
        try:
            reading = self._reader.snapshot(lambda cursor: self._read(cursor, name))
        except (ConnectionLost, Transient) as error:
            self._fail(name, mariadb.unavailable(error).message)
        except Fatal as fatal:
            self._fail(name, fatal.message)
        else:
            self._succeed(name, reading)
        took_s = time.monotonic() - began
        if took_s < FAST_S and name not in self._failures:
            del self._slow[name]
        else:
            self._slow[name] = Deadline(max(REREAD_S, took_s))

    def _read(self, cursor: Any, name: str) -> RangeReading:
        totals = self._totals(cursor)
        return self._ranges.read(BoundedCursor(cursor, RANGE_S, statement_s=STATEMENT_S), name, totals)

    def _totals(self, cursor: Any) -> Totals:
        totals = read_totals(cursor)
        if totals.messages < self._messages:  # reset, or restored from a dump
            self._two_way.reset()
            self._ranges.reset()
        self._messages = totals.messages
        return totals

    def _succeed(self, name: str, reading: RangeReading) -> None:
        if self._failures.pop(name, None):
            logger.info("range %s can be read again", name, extra={"action": "range_back", "range": name})
        self._publish(SlowReading(reading))

    def _fail(self, name: str, why: str) -> None:
        if name not in self._failures:
            message = "range %s cannot be read: %s"
            logger.warning(message, name, why, extra={"action": "range_failed", "range": name})
        self._failures[name] = why
        self._publish(RangeFailure(name, f"range {name} cannot be read: {why}"))

    def _check(self) -> None:
        def check(cursor: Any) -> None:
            totals = self._totals(cursor)
            self._two_way.step(BoundedCursor(cursor, RANGE_S, statement_s=TWO_WAY_S), totals)

        try:
            self._reader.snapshot(check)
        except (ConnectionLost, Transient, Fatal) as error:  # the poll reports what concerns the whole database
            logger.debug("the two-way sum is not checked now: %s", error)
