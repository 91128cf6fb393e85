"""Reads one Kafka partition from an offset: messages of a bounded total size, and how far the log was read."""

import logging
import threading
import time
from itertools import chain
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from clients import kafka, kafka_config
from clients.headers import readable_headers
from clients.kafka import offset_of
from clients.log_ends import LogEnd, log_ends, open_transaction_message
from partition.backlog import prefetched_messages
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

logger = logging.getLogger(__name__)

LARGE_BATCH_BYTES = 16 * 1024 * 1024
_LARGE_BYTES = 100_000
_CLOSE_S = 2.0
_MARKERS_S = 1.0  # a broker writes its commit markers a moment after it has answered a commit
# As sent, of all partitions together: uncompressed it may be ten thousand times that, all at once. Each fetch
# returns at least one batch of the producer, so the small size costs nothing that could be measured.
_FETCH_BYTES = 32 * 1024
_SMALLEST_FETCH_BYTES = 4 * 1024
_PREFETCH_KIB = 131_072  # of one process for all partitions: memory stays flat with 64 of them


class ConsumerCloser:
    """Closes the consumers of one process without waiting for a Kafka that is unavailable.

    librdkafka waits 45 s for the answer to a commit. Each consumer is closed on a thread of its own, which is
    waited for no longer than 2 s.
    """

    def __init__(self) -> None:
        self._unavailable = False

    def close(self, consumer: Consumer) -> None:
        """Close a consumer; once one was not closed in time, the others are not waited for."""
        closing = threading.Thread(target=consumer.close, name="close", daemon=True)
        closing.start()
        closing.join(0 if self._unavailable else _CLOSE_S)
        self._unavailable = closing.is_alive()


class PartitionReader:
    """One partition, read_committed. `read` is where the next message can be: gaps are skipped.

    With STOP_AT_END, `stop_at` is the end, and `open_transaction` what is to be reported there: a part is not read.

    :raises Fatal: from any method, when Kafka is unavailable or refuses, or has lost what was not read yet.
    """

    def __init__(self, settings: Settings, admin: AdminClient, partition: int, partitions: int, start: int) -> None:
        self._settings = settings
        self._at = TopicPartition(settings.visits_topic, partition)
        self._where = f"topic {settings.visits_topic!r} partition {partition}"
        self._group_offset = -1
        self.read = start
        self.stop_at: int | None = None
        self.open_transaction: Fatal | None = None
        if settings.stop_at_end:
            self._stop_at(self._end(admin))
        own = {"group_id": settings.kafka_group_id, "enable_auto_commit": False, "enable_partition_eof": True}
        exact = {"isolation_level": "read_committed", "auto_offset_reset": "error"}
        quick = {
            "fetch_queue_backoff_ms": 2,  # the default of 1000 quarters the throughput
            "queued_min_messages": prefetched_messages(settings.batch_messages, partitions),
            "queued_max_messages_kbytes": min(max(_PREFETCH_KIB // partitions, 1024), 16_384),
            "fetch_message_max_bytes": max(_FETCH_BYTES // partitions, _SMALLEST_FETCH_BYTES),
        }
        with kafka.translated(self._where):
            configuration = kafka_config.client_config(settings, quick, **own, **exact)
            configuration["on_commit"] = _ignore_failed_commit
            self.consumer = kafka_config.created(Consumer, settings, configuration)
        self._assign()

    def consume(self) -> list[Message]:
        """Return what has arrived, at most BATCH_MESSAGES and, except for one message, 16 MiB; never waits."""
        with kafka.translated(f"reading {self._where}"):
            messages = self.consumer.consume(1, 0)
            if not messages:
                return []
            if size_of(messages) < _LARGE_BYTES:
                messages += self.consumer.consume(self._settings.batch_messages - 1, 0)
            else:
                self._add_large(messages)
        if any(map(Message.error, messages)):
            messages = self._without_events(messages)
        if messages:
            self.read = max(self.read, offset_of(messages[-1]) + 1)
        if self.stop_at is not None and self.read > self.stop_at:
            messages = [message for message in messages if offset_of(message) < self.stop_at]
            self.read = self.stop_at
        return messages

    def known_end(self) -> int | None:
        """Return the partition's end as the last fetch has told it; None before the first, and when it is closed."""
        try:
            _, end = self.consumer.get_watermark_offsets(self._at, cached=True)
        except RuntimeError:
            return None
        return end if end >= 0 else None

    def commit_group(self, offset: int) -> None:
        """Show the lag to Kafka's tools; nothing reads it back, so a failure is no error."""
        if offset == self._group_offset:
            return
        self._group_offset = offset
        at = TopicPartition(self._at.topic, self._at.partition, offset)
        try:
            self.consumer.commit(offsets=[at], asynchronous=True)
        except KafkaException as error:
            _ignore_failed_commit(error.args[0], [])

    def _assign(self) -> None:
        with kafka.translated(self._where):
            self.consumer.assign([TopicPartition(self._at.topic, self._at.partition, self.read)])

    def _end(self, admin: AdminClient) -> LogEnd:
        def now() -> LogEnd:
            return log_ends(admin, self._at.topic, [self._at.partition])[self._at.partition]

        end = now()
        self._refuse_lost_end(end.written)
        deadline = Deadline(_MARKERS_S)
        while end.waiting and not deadline.passed:
            time.sleep(0.05)
            end = end._replace(committed=now().committed)
        return end

    def _stop_at(self, end: LogEnd) -> None:
        self.stop_at = end.committed
        if end.waiting:
            message = open_transaction_message(self._at.topic, self._at.partition, end)
            logger.warning("%s; they are not counted now", message, extra={"action": "open_transaction"})
            self.open_transaction = Fatal(f"{message}, then run again", ExitCode.OPEN_TRANSACTION)

    def _add_large(self, messages: list[Message]) -> None:
        """Add messages one by one up to 16 MiB together: thousands of large ones would fill the memory."""
        size = size_of(messages)
        while len(messages) < self._settings.batch_messages and size < LARGE_BATCH_BYTES:
            more = self.consumer.consume(1, 0)
            if not more:
                return
            size += size_of(more)
            messages += more

    def _without_events(self, messages: list[Message]) -> list[Message]:
        real = []
        for message in messages:
            error = message.error()
            if error is None:
                real.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self.read = max(self.read, offset_of(message))
            elif error.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:
                self._skip_or_fail()
            else:
                raise kafka.fatal_of(error, f"reading {self._where}")
        return real

    def _skip_or_fail(self) -> None:
        with kafka.translated(self._where):
            begin, end = self.consumer.get_watermark_offsets(self._at, kafka_config.REQUEST_TIMEOUT_S)
        self._refuse_lost_end(end)
        if self.read < begin:
            lost = f"{self._where}: offsets {self.read} to {begin - 1} were deleted before they were counted"
            if self._settings.on_data_loss == "fail":
                message = f"{lost}; raise the topic's retention, and continue without them by ON_DATA_LOSS=skip"
                raise Fatal(message, ExitCode.DATA)
            logger.error("%s; continuing at %d (ON_DATA_LOSS=skip)", lost, begin, extra={"action": "data_loss"})
            self.read = begin
        self._assign()

    def _refuse_lost_end(self, end: int) -> None:
        if self.read > end:
            message = (
                f"{self._where} ends at offset {end}, but {self.read} is counted already: the log has lost its end; "
                "restore it, or start over by python -m ops reset --yes"
            )
            raise Fatal(message, ExitCode.DATA)


def size_of(messages: list[Message]) -> int:
    """Return the bytes of values, keys and headers; 0.3 ms for 4000 visits."""
    headers = chain.from_iterable(readable_headers(messages))
    return (
        sum(map(len, messages))
        + sum(map(len, filter(None, map(Message.key, messages))))
        + sum(len(name) + len(value or b"") for name, value in headers)
    )


def _ignore_failed_commit(error: KafkaError | None, partitions: list[Any]) -> None:
    if error is not None:
        logger.debug("the group's offset was not committed: %s", error, extra={"partitions": partitions})
