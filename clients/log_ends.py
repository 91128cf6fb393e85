"""Where a topic's partitions end, for readers of committed messages and for all; an open transaction is between."""

from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import IsolationLevel
from confluent_kafka.admin import AdminClient, OffsetSpec

from clients import kafka


class LogEnd(NamedTuple):
    """The ends of one partition: behind the last message that is decided, and behind the last one of all.

    They differ only while a transaction is open: neither aborted messages nor control records keep them apart.
    """

    committed: int
    written: int

    @property
    def waiting(self) -> int:
        """The number of offsets that wait for the end of a transaction."""
        return max(0, self.written - self.committed)


def log_ends(admin: AdminClient, topic: str, partitions: Iterable[int]) -> dict[int, LogEnd]:
    """Return the ends of every partition.

    :raises Fatal: Kafka is unavailable, refuses, or has no such partition.
    """
    numbers = list(partitions)

    def ends(isolation: IsolationLevel) -> dict[int, int]:
        return kafka.offsets(admin, topic, numbers, OffsetSpec.latest(), isolation)

    written = ends(IsolationLevel.READ_UNCOMMITTED)  # first: what is sent in between then waits for nothing
    committed = ends(IsolationLevel.READ_COMMITTED)
    return {number: LogEnd(committed[number], written[number]) for number in numbers}


def open_transaction_message(topic: str, partition: int, end: LogEnd) -> str:
    """Return what waits, and how to end that."""
    return (
        f"topic {topic!r} partition {partition}: {end.waiting} offsets wait behind a transaction that is open at "
        f"offset {end.committed}; end its producer, or abort it by kafka-transactions.sh abort --topic {topic} "
        f"--partition {partition} --start-offset {end.committed}"
    )
