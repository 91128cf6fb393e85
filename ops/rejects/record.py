"""One record of the rejected topic, and the selection that a command works on."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from clients.headers import headers_of
from operators.visit import Reason
from oracle.kafka import existing_topics
from oracle.log import Extent, Reader, extents
from partition.headers import EXPLANATION_HEADER, REASON_HEADER, TRUNCATED_HEADER, UNREADABLE_HEADER, is_own
from partition.tail import Origin, reject_origin
from process.errors import ExitCode, Fatal
from settings import Settings

ATTEMPT_HEADER = "website-attempt"
"""Counts how often a visit was sent back: the sink keeps it when the visit is rejected once more."""

REASONS = tuple(reason.value for reason in Reason)


class Rejected(NamedTuple):
    """A rejected visit: its record, the visit that it names (None: not written by the dataflow), and why."""

    message: Message
    partition: int
    offset: int
    origin: Origin | None
    reason: str
    explanation: str
    attempts: int
    truncated: bool
    headers_unreadable: bool

    @classmethod
    def of(cls, partition: int, offset: int, message: Message) -> "Rejected":
        """Read a record's headers; of a repeated one the last counts, which is the sink's."""
        headers = dict(headers_of(message) or [])
        return cls(
            message=message,
            partition=partition,
            offset=offset,
            origin=reject_origin(message),
            reason=_text(headers.get(REASON_HEADER)),
            explanation=_text(headers.get(EXPLANATION_HEADER)),
            attempts=_number(headers.get(ATTEMPT_HEADER)),
            truncated=TRUNCATED_HEADER in headers,
            headers_unreadable=UNREADABLE_HEADER in headers,
        )

    @property
    def timestamp_ms(self) -> int:
        """Kafka's time of the record, in milliseconds since 1970: when the visit was rejected."""
        return int(self.message.timestamp()[1])

    @property
    def marker(self) -> str:
        """The key of the visit's marker: topic_id/partition/offset, whichever pipeline rejected it."""
        origin = self.origin
        return f"{origin.topic_id}/{origin.partition}/{origin.offset}" if origin else ""

    def original_headers(self) -> list[tuple[str, Any]]:
        """Return the headers that the visit came with: without the sink's, and without the attempts."""
        pairs = headers_of(self.message) or []
        return [(name, value) for name, value in pairs if name != ATTEMPT_HEADER and not is_own(name)]


class Selection(NamedTuple):
    """Which rejected visits: all by default; `begin` and `end` are offsets of the rejected topic."""

    reasons: frozenset[str] = frozenset()
    partition: int | None = None
    begin: int = 0
    end: int | None = None

    def includes(self, rejected: Rejected) -> bool:
        """Return whether it is one of them."""
        return not self.reasons or rejected.reason in self.reasons

    def within(self, partition: int, extent: Extent) -> Extent:
        """Return the part of a partition to be read."""
        if self.partition not in {None, partition}:
            return Extent(extent.end, extent.end)
        end = extent.end if self.end is None else min(extent.end, self.end)
        return Extent(max(extent.start, self.begin), end)


class RejectedLog:
    """The rejected topic up to the end that it had at first, as a read_committed reader sees it."""

    def __init__(self, settings: Settings, admin: AdminClient, selection: Selection) -> None:
        """Find its partitions and their ends.

        :raises Fatal: there is no such topic or partition, or Kafka cannot be reached.
        """
        self.topic = settings.rejected_topic
        (topic,) = existing_topics(admin, settings, [self.topic])
        if selection.partition is not None and selection.partition >= topic.partitions:
            last = topic.partitions - 1
            message = f"--partition is {selection.partition}, but topic {self.topic!r} has partitions 0 to {last}"
            raise Fatal(message, ExitCode.CONFIG)
        whole = enumerate(extents(admin, topic.name, topic.partitions, settled=True))
        self._selection = selection
        self._extents = [selection.within(partition, extent) for partition, extent in whole]
        self._settings = settings

    def records(self) -> Iterator[Rejected]:
        """Yield the selected records by partition and offset; one at a time is in memory, and one fetch.

        :raises Fatal: Kafka cannot be reached.
        """
        with closing(Reader(self._settings, self.topic)) as reader:
            for partition, extent in enumerate(self._extents):
                for offset, message in reader.records(partition, extent):
                    rejected = Rejected.of(partition, offset, message)
                    if self._selection.includes(rejected):
                        yield rejected


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")


def _number(value: bytes | None) -> int:
    """Return the attempts that a header counts; a foreign header of that name counts none."""
    return int(value) if value and len(value) < 10 and value.isdigit() else 0
