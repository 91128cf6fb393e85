"""Which of the selected rejected visits are sent back, and why the others are not."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import Enum

from ops.rejects.record import Rejected


class Verdict(Enum):
    """Send it, or skip it and why; the value is what a person reads."""

    SEND = "to be sent back"
    SENT = "already sent back"
    EXHAUSTED = "sent back and rejected too often (--max-attempts)"
    TRUNCATED = "truncated when they were rejected: only the input topic has the whole message"
    NO_PARTITION = "of a partition that the input topic does not have"
    FOREIGN = "name no visit: not written by the dataflow"
    TOO_LARGE = "larger than the input topic now accepts"


class Planner:
    """Decides on rejected visits one after another; a visit that occurs twice is sent once."""

    def __init__(self, markers: set[str], *, partitions: int, max_attempts: int) -> None:
        self._markers = markers
        self._partitions = partitions
        self._max_attempts = max_attempts
        self.counts: Counter[Verdict] = Counter()

    def chosen(self, records: Iterable[Rejected]) -> Iterator[Rejected]:
        """Yield those to be sent, and count all of them by verdict."""
        for rejected in records:
            verdict = self._verdict(rejected)
            self.counts[verdict] += 1
            if verdict is Verdict.SEND:
                self._markers.add(rejected.marker)
                yield rejected

    def _verdict(self, rejected: Rejected) -> Verdict:
        if rejected.origin is None:
            return Verdict.FOREIGN
        if rejected.marker in self._markers:
            return Verdict.SENT
        if rejected.truncated:
            return Verdict.TRUNCATED
        if rejected.origin.partition >= self._partitions:
            return Verdict.NO_PARTITION
        if rejected.attempts >= self._max_attempts:
            return Verdict.EXHAUSTED
        return Verdict.SEND
