"""What the output topics already hold: every output names its visit, so the topics are their own record."""

import re
import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import NamedTuple

from confluent_kafka import Consumer, IsolationLevel, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from clients import kafka
from clients.headers import headers_of
from clients.kafka import offset_of
from partition.headers import VISIT_HEADER
from partition.tail_consumers import tail_consumer
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

NOTHING = -1
"""The tail of a partition that holds no output of ours."""

_FIRST_LOOK = 64  # records; a commit's control record hides among the last ones
_GROWTH = 16
_SILENCE_S = 10.0
_OPEN_TRANSACTION_S = 60.0
_OWN_TRANSACTION_S = 10.0
_ORIGIN = re.compile(r"(?P<pipeline>[0-9a-f]{32})/(?P<topic_id>[^/]+)/(?P<partition>\d+)/(?P<offset>\d+)", re.ASCII)


class Origin(NamedTuple):
    """The visit that an output comes from: written as `pipeline/topic_id/partition/offset`."""

    pipeline_id: str
    topic_id: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.pipeline_id}/{self.topic_id}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str | bytes | None) -> "Origin | None":
        """Return the origin that a record's key or header names; None for a foreign record."""
        if isinstance(text, bytes):
            text = text.decode("ascii", errors="replace")
        match = _ORIGIN.fullmatch(text or "")
        if match is None:
            return None
        return cls(match["pipeline"], match["topic_id"], int(match["partition"]), int(match["offset"]))


def line_origin(message: Message) -> Origin | None:
    """Return the visit of a line, such as a cart's: its key."""
    return Origin.parse(message.key())


def reject_origin(message: Message) -> Origin | None:
    """Return the visit of a reject: its last header `visit`; earlier ones were there when it was sent in."""
    named = [value for name, value in headers_of(message) or [] if name == VISIT_HEADER]
    return Origin.parse(named[-1]) if named else None


class OutputTopic(NamedTuple):
    """A topic that outputs go to, and how its records name their visit."""

    name: str
    origin_of: Callable[[Message], Origin | None]


class OwnTransactionHangs(Exception):  # noqa: N818 - what it means depends on the position
    """A transaction of this partition's own outputs is open after the fence: Kafka has lost its end.

    It begins at `offset` of the output topic, with the output of visit `first`.
    """

    def __init__(self, topic: str, offset: int, first: int) -> None:
        super().__init__(topic, offset, first)
        self.topic = topic
        self.offset = offset
        self.first = first


class TailReader:
    """Reads one partition of our topics, the outputs backwards, as a read_committed reader sees it."""

    def __init__(self, settings: Settings, admin: AdminClient, partition: int, *, consumer: Consumer) -> None:
        self._settings = settings
        self._admin = admin
        self._partition = partition
        self._consumer = consumer

    def last_origin(self, topic: OutputTopic) -> Origin | None:
        """Return the visit of any pipeline's latest output, if the last few records contain one."""
        begin, end = self.bounds(topic.name)
        origins = map(topic.origin_of, self.records(topic.name, max(begin, end - _FIRST_LOOK), end))
        return next((origin for origin in reversed(list(origins)) if origin), None)

    def bounds(self, topic: str) -> tuple[int, int]:
        """Return the log's start and its end, as a read_committed reader sees it."""
        return kafka.bounds(self._consumer, topic, self._partition)

    def tail(self, topic: OutputTopic, pipeline_id: str, topic_id: str) -> int:
        """Return the offset of the visit of our latest output, or NOTHING.

        Searches backwards over control and foreign records as far as the log's start.

        :raises Fatal: Kafka sends nothing, or another producer's transaction stays open before the end.
        :raises OwnTransactionHangs: one of ours does, although earlier owners are fenced.
        """
        ours = (pipeline_id, topic_id, self._partition)
        begin, end = self._visible_bounds(topic, ours)
        size = _FIRST_LOOK
        while end > begin:
            start = max(begin, end - size)
            tail = NOTHING
            for message in self.records(topic.name, start, end):
                origin = topic.origin_of(message)
                if origin and origin[:3] == ours:
                    tail = origin.offset
            if tail != NOTHING:
                return tail
            end, size = start, size * _GROWTH
        return NOTHING

    def _visible_bounds(self, topic: OutputTopic, ours: tuple[str, str, int]) -> tuple[int, int]:
        # An open transaction hides what is committed behind it, perhaps our own latest outputs. Ours has ended: it
        # is fenced. So all of ours lies before the present end: wait until that is readable.
        end = self._written_end(topic.name)
        deadline, own_deadline = Deadline(_OPEN_TRANSACTION_S), Deadline(_OWN_TRANSACTION_S)
        while True:
            begin, visible = self.bounds(topic.name)
            if visible >= end:
                return begin, end
            if own_deadline.passed:
                self._refuse_own(topic, visible, ours)
                own_deadline = deadline
            if deadline.passed:
                message = (
                    f"topic {topic.name!r} partition {self._partition}: another producer's transaction has been open "
                    f"at offset {visible} for {_OPEN_TRANSACTION_S:.0f} s and hides what follows; end that producer"
                )
                raise Fatal(message, ExitCode.UNAVAILABLE)
            time.sleep(0.05)  # the broker writes its commit markers a moment after it has answered a commit

    def _refuse_own(self, topic: OutputTopic, visible: int, ours: tuple[str, str, int]) -> None:
        """Refuse if the open transaction is one of ours; its first record is where the readable part ends."""
        with closing(tail_consumer(self._settings, "read_uncommitted")) as consumer:
            first = next(self.records(topic.name, visible, visible + 1, consumer), None)
        origin = topic.origin_of(first) if first else None
        if origin and origin[:3] == ours:
            raise OwnTransactionHangs(topic.name, visible, origin.offset)

    def _written_end(self, topic: str) -> int:
        isolation = IsolationLevel.READ_UNCOMMITTED
        return kafka.offsets(self._admin, topic, [self._partition], OffsetSpec.latest(), isolation)[self._partition]

    def records(
        self, topic: str, begin: int, end: int, consumer: Consumer | None = None
    ) -> Generator[Message, None, None]:
        """Yield the records with begin <= offset < end, by default the committed ones; only an offset ends it."""
        if begin >= end:
            return
        consumer = consumer or self._consumer
        consumer.assign([TopicPartition(topic, self._partition, begin)])
        deadline = Deadline(_SILENCE_S)
        while not deadline.passed:
            for message in consumer.consume(1000, 0.01):  # which waits for all 1000
                deadline = Deadline(_SILENCE_S)
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise kafka.fatal_of(error, f"reading topic {topic!r} partition {self._partition}")
                if (message.topic(), message.partition()) != (topic, self._partition):
                    continue  # of what was assigned before
                if offset_of(message) >= end:
                    return
                if error is None:
                    yield message
        silence = f"topic {topic!r} partition {self._partition}: Kafka has sent nothing for {_SILENCE_S:.0f} s"
        raise Fatal(silence, ExitCode.UNAVAILABLE)
