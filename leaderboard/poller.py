"""The poll of MariaDB, on a thread of its own: however many viewers there are, the database has one.

A range that takes longer than 0.5 s, or fails, is left to the background: the status and the other ranges continue.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from leaderboard.background import ActiveRanges, BackgroundReader, RangeFailure, SlowReading
from leaderboard.boards import BoardReader, Totals, read_totals
from leaderboard.bounded import BoundedCursor
from leaderboard.readings import RangeReader
from leaderboard.top import sql
from leaderboard.wire import RangeReading, TwoWaySum
from process.deadline import Deadline
from process.errors import ExitCode, Fatal

POLL_S = 0.3
REREAD_S = 5.0
RANGE_S = 0.5

logger = logging.getLogger(__name__)


class Partition(NamedTuple):
    """The position of a partition of the input."""

    topic: str
    partition: int
    next_offset: int


class PollResult(NamedTuple):
    """What one poll of the database read; `ranges` are those that were due."""

    totals: Totals
    partitions: list[Partition]
    ranges: list[RangeReading]
    two_way_sum: TwoWaySum
    took_s: float = 0.0


class PollFailure(NamedTuple):
    """Why one poll of the database failed; `unprovisioned`: no restart helps, provisioning does."""

    why: str
    unprovisioned: bool


Published = PollResult | PollFailure | SlowReading | RangeFailure


class Poller:
    """Polls the database every 0.3 s, and reads the active ranges when the totals have changed.

    After a poll it pauses for at least as long as the poll took: it keeps the database busy for at most half the time.
    """

    def __init__(self, login: Login, active_ranges: ActiveRanges, publish: Callable[[Published], Any]) -> None:
        self._reader = BoardReader(login)
        self._background = BackgroundReader(login, active_ranges, publish)
        self._active_ranges = active_ranges
        self._publish = publish
        self._ranges = RangeReader()
        self._last: Totals | None = None
        self._reread: dict[str, Deadline] = {}
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Start polling."""
        self._thread.start()
        self._background.start()

    def wake(self) -> None:
        """Poll at once: a viewer waits for a range."""
        self._wake.set()

    def stop(self, within_s: float) -> None:
        """Stop polling; a poll that hangs is abandoned, and ends with the process."""
        self._stopping.set()
        self._wake.set()
        self._background.stop(within_s / 2)
        self._thread.join(within_s / 2)

    def alive(self) -> bool:
        """Return whether its threads are running."""
        return self._thread.is_alive() and self._background.alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            began = time.monotonic()
            polled = self._poll()
            self._log_change(polled)
            self._publish(polled)
            self._wake.wait(max(POLL_S, time.monotonic() - began))
        self._reader.close()

    def _poll(self) -> PollResult | PollFailure:
        began = time.monotonic()
        try:
            return self._reader.snapshot(self._read)._replace(took_s=time.monotonic() - began)
        except (ConnectionLost, Transient) as error:
            return PollFailure(mariadb.unavailable(error).message, unprovisioned=False)
        except Fatal as fatal:
            return PollFailure(fatal.message, unprovisioned=fatal.code == ExitCode.CONFIG)

    def _read(self, cursor: Any) -> PollResult:
        totals = read_totals(cursor)
        last = self._last
        if last and totals.messages < last.messages:  # reset, or restored from a dump
            self._ranges.reset()
        cursor.execute(sql("partitions"))
        partitions = [Partition(*row) for row in cursor.fetchall()]
        changed = last is None or _mark(last) != _mark(totals)
        active = {name: at_once for name, at_once in self._active_ranges().items() if not self._background.slow(name)}
        due = [name for name, at_once in active.items() if changed or at_once or self._is_due(name)]
        ranges = [reading for name in due if (reading := self._read_range(cursor, name, totals))]
        if changed:
            self._reread.clear()
        self._reread |= dict.fromkeys(due, Deadline(REREAD_S))
        self._last = totals
        return PollResult(totals, partitions, ranges, self._background.two_way_sum)

    def _read_range(self, cursor: Any, name: str, totals: Totals) -> RangeReading | None:
        """Read a range within 0.5 s; leave it to the background if that is too short, or if it fails."""
        try:
            with translated(f"range {name}"):
                return self._ranges.read(BoundedCursor(cursor, RANGE_S), name, totals)
        except Transient:
            self._background.add(name)
        except Fatal as fatal:
            if fatal.code != ExitCode.ABORTED:
                raise
            self._background.add(name)
        return None

    def _is_due(self, range_name: str) -> bool:
        return range_name not in self._reread or self._reread[range_name].passed

    def _log_change(self, polled: PollResult | PollFailure) -> None:
        """Log that the database is unavailable, and that it is available again, once each."""
        failure = polled.why if isinstance(polled, PollFailure) else None
        if failure and not self._failure:
            logger.warning("%s", failure, extra={"action": "away"})
        elif self._failure and not failure:
            logger.info("MariaDB is available again", extra={"action": "back"})
        self._failure = failure


def _mark(totals: Totals) -> tuple[Any, ...]:
    """Return what differs when the boards may have changed: what is counted, and the window that a range ends with."""
    as_of_window = int(totals.as_of.timestamp()) // totals.lengths_s[0]
    return (totals.messages, totals.visits, totals.rejected, totals.lengths_s, as_of_window)
