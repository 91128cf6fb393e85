"""One partition of the log, recounted up to the position that the database states."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from oracle.carts import CartCheck
from oracle.log import Record
from oracle.message import ABANDONED, classify
from oracle.rejects import RejectCheck, Rejection
from oracle.sums import Sums

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - MariaDB's DATETIME has no zone; all are UTC


class Recount:
    """The counts of one partition's messages before `next_offset`."""

    def __init__(self, next_offset: int, zone: ZoneInfo | None, sums: Sums) -> None:
        self.visits = self.rejected = 0
        self._latest = (-1, 0)
        self._next_offset, self._zone, self._sums = next_offset, zone, sums

    @property
    def messages(self) -> int:
        """The number of messages."""
        return self.visits + self.rejected

    @property
    def max_visit_date(self) -> datetime | None:
        """The latest visitDate, UTC."""
        return moment_of(*self._latest) if self.visits else None

    def read(self, messages: Iterable[Record], carts: CartCheck, rejects: RejectCheck) -> None:
        """Count the messages before `next_offset`, and look for the output that each must have.

        Beyond it only what the outputs already name is read: they are committed before the database.
        """
        next_offset, zone = self._next_offset, self._zone
        add, latest_second = self._sums.add, -1
        for offset, message in messages:
            counted = offset < next_offset
            if not counted and not (carts.pending or rejects.pending):
                break
            found = classify(message.value(), zone)
            if isinstance(found, str):
                self.rejected += counted
                rejects.expect(offset, Rejection(message, reason=found))
                continue
            if counted:
                self.visits += 1
                add(found)
                if found.second >= latest_second:
                    latest_second = found.second
                    self._latest = max(self._latest, found[:2])
            if found.last_action == ABANDONED:
                carts.expect(offset, found)
        carts.finish()
        rejects.finish()


def moment_of(second: int, microsecond: int) -> datetime:
    """Return a moment since 1970 UTC as MariaDB returns it."""
    return _EPOCH + timedelta(seconds=second, microseconds=microsecond)
