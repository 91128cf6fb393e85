"""One partition of the log, recounted up to the position that the database states."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from oracle.lines import LineCheck
from oracle.log import Record
from oracle.message import Classifier
from oracle.rejects import RejectCheck, Rejection
from oracle.sums import Sums

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - MariaDB's DATETIME has no zone; all are UTC


class Recount:
    """The counts of one partition's messages before `next_offset`."""

    def __init__(self, next_offset: int, classify: Classifier, sums: Sums) -> None:
        self.visits = self.rejected = 0
        self._latest = (-1, 0)
        self._next_offset, self._classify, self._sums = next_offset, classify, sums

    @property
    def messages(self) -> int:
        """The number of messages."""
        return self.visits + self.rejected

    @property
    def max_visit_date(self) -> datetime | None:
        """The latest visitDate, UTC."""
        return moment_of(*self._latest) if self.visits else None

    def read(self, messages: Iterable[Record], lines: Sequence[LineCheck], rejects: RejectCheck) -> None:
        """Count the messages before `next_offset`, and look for the output that each must have.

        Beyond it only what the outputs already name is read: they are committed before the database.
        """
        next_offset, classify = self._next_offset, self._classify.of_record
        checks = [(check, check.last_actions) for check in lines]
        add, latest_second = self._sums.add, -1
        for offset, message in messages:
            counted = offset < next_offset
            if not counted and not (rejects.pending or any(check.pending for check in lines)):
                break
            found = classify(message)
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
            for check, last_actions in checks:
                if found.last_action in last_actions:
                    check.expect(offset, found)
        for check in lines:
            check.finish()
        rejects.finish()


def moment_of(second: int, microsecond: int) -> datetime:
    """Return a moment since 1970 UTC as MariaDB returns it."""
    return _EPOCH + timedelta(seconds=second, microseconds=microsecond)
