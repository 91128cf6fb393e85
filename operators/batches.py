"""What travels through the graph: one item is one batch of one Kafka partition.

A batch covers the offsets begin <= offset < end of its partition. Offsets have gaps (transactions, compaction), so
it may hold fewer messages than end - begin, or none.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Message

from operators.last_read import LastRead
from operators.visit import Reject, Visit


class RawBatch(NamedTuple):
    """From the source: every message of the partition between two offsets, undecoded, in order."""

    partition: int
    begin: int
    end: int
    messages: Sequence[Message] = ()

    @property
    def contiguous(self) -> bool:
        """Whether every offset has its message."""
        return len(self.messages) == self.end - self.begin


class VisitBatch(NamedTuple):
    """Decoded: `offsets` and `visits` are parallel; `last_read` is None where the batch has no message."""

    partition: int
    begin: int
    end: int
    offsets: Sequence[int]
    visits: Sequence[Visit]
    rejects: Sequence[Reject]
    last_read: LastRead | None = None


class OutputBatch(NamedTuple):
    """For Kafka: by the outputs' names pairs of a visit's offset and its line, in order of the offsets."""

    partition: int
    begin: int
    end: int
    lines: Mapping[str, Sequence[tuple[int, str]]]
    rejects: Sequence[Reject]


Amount = int
"""Seconds and a number of visits in one integer, so that one addition adds both: half the work of two
dictionaries in the fold, the roll-up and the sink. The low 60 bits hold more than 500 million visits of the
longest duration; one commit covers at most some thousands. See `amount_of` and `parts_of` in cells.py."""

Window = tuple[int, int, str]
"""Length in seconds, window start in seconds since 1970 UTC, and the name of the board."""

Sums = Mapping[Window, Mapping[str, Amount]]
"""Per window of a board, its entries' amounts. Sums commute: they may be added in any order."""


class SumBatch(NamedTuple):
    """For MariaDB: what the batch adds to the totals; `max_timestamp` is seconds since 1970 UTC, `last_read` None where
    the batch has no message."""

    partition: int
    begin: int
    end: int
    visits: int
    rejected: int
    max_timestamp: float | None
    sums: Sums
    last_read: LastRead | None = None
