"""What travels from the source into the graph."""

from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import Message


class RawBatch(NamedTuple):
    """One cut of a Kafka partition: every message of it with begin <= offset < end, undecoded, in order.

    Offsets have gaps (transactions, compaction), so there may be fewer messages than end - begin; a cut
    without messages (begin < end), and an empty one (begin == end) that only asks the sinks to catch up,
    are batches too.
    """

    partition: int
    begin: int
    end: int
    messages: Sequence[Message] = ()

    @property
    def contiguous(self) -> bool:
        """Whether every offset of the cut has its message."""
        return len(self.messages) == self.end - self.begin
