"""Reads Kafka: each partition from where the database stands, in batches, never further ahead than is safe."""

import logging
import time
from collections import deque
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec

import broker
from broker import offset_of
from claim import Claim, Claims
from failure import ExitCode, Fatal, OnFatal, raise_fatal
from settings import Settings
from sources.batch import RawBatch
from sources.topic_watch import TopicWatch

logger = logging.getLogger(__name__)

BATCHES_AHEAD = 8
BYTES_AHEAD = 64 * 1024 * 1024
_IDLE = timedelta(milliseconds=10)
_ASLEEP = timedelta(milliseconds=50)  # after a second without a message: half the processor time of a live one
_FALLS_ASLEEP_S = 1.0
_WAIT_FOR_CLAIM = timedelta(milliseconds=20)
_WAIT_FOR_SINKS = timedelta(milliseconds=1)
_ASK_WHEN_FULL_S = 0.005
_GROUP_COMMIT_S = 2.0
_LARGE_BYTES = 100_000
_LARGE_BATCH_BYTES = 16 * 1024 * 1024
_FETCH_BYTES = 64 * 1024  # as sent: what a producer compressed may be a thousand times that, unpacked all at once
_PREFETCH_KIB = 131_072  # of one process for all partitions: memory stays flat with 64 of them
KEEP_ALIVE_S = 15.0


def partition_key(partition: int) -> str:
    """Return the name of a partition for Bytewax: of fixed width, since it sorts names."""
    return f"{partition:05d}"


def partition_names(partitions: int) -> list[str]:
    """Return the names of all partitions: source and sinks list the same, so each lands on one worker."""
    return [partition_key(partition) for partition in range(partitions)]


class _VisitsPartition(StatefulSourcePartition[tuple[str, RawBatch], None]):
    """One partition. It knows two offsets: read up to, and sent up to."""

    def __init__(
        self, settings: Settings, claims: Claims, watch: TopicWatch, partition: int, on_fatal: OnFatal
    ) -> None:
        self._settings = settings
        self._claims = claims
        self._watch = watch
        self._partition = partition
        self._key = partition_key(partition)
        self._on_fatal = on_fatal
        self._flush_interval_s = settings.flush_interval_ms / 1000
        self._most_ahead = BATCHES_AHEAD * settings.batch_messages
        self._claiming: Future[Claim] = claims.begin(partition)
        self._claim: Claim | None = None
        self._consumer: Consumer | None = None
        self._read = self._sent = 0
        self._stop_at: int | None = None
        self._ahead: deque[tuple[int, int]] = deque()
        self._bytes_ahead = 0
        self._got_at = self._sent_at = self._group_committed_at = 0.0
        self._group_committed = -1
        self._rest: timedelta | None = None
        watch.start(claims.provisioned(), claims.admin())

    def next_batch(self) -> list[tuple[str, RawBatch]]:
        try:
            batch = self._next()
        except Fatal as fatal:
            self._on_fatal(fatal)
        return [] if batch is None else [(self._key, batch)]

    def next_awake(self) -> datetime | None:
        return None if self._rest is None else datetime.now(UTC) + self._rest

    def snapshot(self) -> None:
        return None  # the position is in the database, with the totals that it belongs to

    def close(self) -> None:
        if self._consumer is not None:
            self._commit_group()
            self._consumer.close()
        self._watch.stop()
        self._claims.end(self._partition)

    def _next(self) -> RawBatch | None:
        self._rest = None
        if self._claim is None:
            if not self._claiming.done():
                self._rest = _WAIT_FOR_CLAIM
                return None
            self._claim = self._claiming.result()
            self._consumer = self._open(self._claim)
        if self._watch.found:
            raise self._watch.found
        claim, consumer = self._claim, self._consumer
        assert consumer is not None  # noqa: S101 - opened with the claim
        self._forget_committed(claim)
        full = self._sent - claim.totals >= self._most_ahead or self._bytes_ahead >= BYTES_AHEAD
        messages = [] if full or self._at_stop() else self._consume(consumer)
        if messages:
            return self._send(messages)
        if self._at_stop() and claim.totals == self._sent and not claim.connection.lost:
            raise StopIteration
        idle = _IDLE if time.monotonic() - self._got_at < _FALLS_ASLEEP_S else _ASLEEP
        self._rest = _WAIT_FOR_SINKS if full else idle
        return self._ask_sinks(claim, full)

    def _open(self, claim: Claim) -> Consumer:
        settings, partitions = self._settings, claim.provisioned.partitions
        own = {"group_id": settings.kafka_group_id, "enable_auto_commit": False, "enable_partition_eof": True}
        exact = {"isolation_level": "read_committed", "auto_offset_reset": "error"}
        prefetch_kib = min(max(_PREFETCH_KIB // partitions, 1024), 16_384)
        quick = {
            "fetch_queue_backoff_ms": 2,  # the default of 1000 quarters the throughput
            "queued_min_messages": 5 * settings.batch_messages,
            "queued_max_messages_kbytes": prefetch_kib,
            "fetch_message_max_bytes": _FETCH_BYTES,
        }
        if settings.stop_at_end:
            ends = broker.offsets(
                self._claims.admin(),
                settings.visits_topic,
                [self._partition],
                OffsetSpec.latest(),
                IsolationLevel.READ_COMMITTED,
            )
            self._stop_at = ends[self._partition]
        with broker.translated(claim.connection.where):
            configuration = broker.client_config(settings, tuning=quick, **own, **exact)
            consumer = Consumer(configuration | {"on_commit": _ignore_failed_commit})
            self._read = self._sent = claim.start
            consumer.assign([TopicPartition(settings.visits_topic, self._partition, self._read)])
        return consumer

    def _at_stop(self) -> bool:
        return self._stop_at is not None and self._sent >= self._stop_at

    def _consume(self, consumer: Consumer) -> list[Message]:
        with broker.translated(f"reading partition {self._partition}"):
            messages = consumer.consume(1, 0)
            if messages and len(messages[0]) < _LARGE_BYTES:
                messages += consumer.consume(self._settings.batch_messages - 1, 0)
            else:
                _add_large(consumer, messages)
        if any(map(Message.error, messages)):
            messages = self._without_events(consumer, messages)
        if messages:
            self._read = max(self._read, offset_of(messages[-1]) + 1)
        if self._stop_at is not None and self._read > self._stop_at:
            messages = [message for message in messages if offset_of(message) < self._stop_at]
            self._read = self._stop_at
        return messages

    def _without_events(self, consumer: Consumer, messages: list[Message]) -> list[Message]:
        real = []
        for message in messages:
            error = message.error()
            if error is None:
                real.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._read = max(self._read, offset_of(message))
            elif error.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:
                self._skip_or_fail(consumer)
            else:
                where = f"reading topic {self._settings.visits_topic!r} partition {self._partition}"
                raise broker.fatal_of(error, where)
        return real

    def _skip_or_fail(self, consumer: Consumer) -> None:
        at = TopicPartition(self._settings.visits_topic, self._partition)
        where = f"topic {at.topic!r} partition {at.partition}"
        with broker.translated(where):
            begin, end = consumer.get_watermark_offsets(at, broker.REQUEST_TIMEOUT_S)
        if self._read > end:
            line = f"{where} ends at offset {end}, but {self._read} is counted already: the log has lost its end"
            raise Fatal(line, ExitCode.DATA)
        if self._read < begin:
            said = f"{where}: offsets {self._read} to {begin - 1} were deleted before they were counted"
            if self._settings.on_data_loss == "fail":
                line = f"{said}; raise the topic's retention, and go on without them by ON_DATA_LOSS=skip"
                raise Fatal(line, ExitCode.DATA)
            logger.error("%s; going on at %d (ON_DATA_LOSS=skip)", said, begin, extra={"action": "data_loss"})
            self._read = begin
        consumer.assign([TopicPartition(at.topic, at.partition, self._read)])

    def _send(self, messages: list[Message]) -> RawBatch:
        self._got_at = time.monotonic()
        size = sum(map(len, messages))
        self._ahead.append((self._read, size))
        self._bytes_ahead += size
        return self._cut(messages)

    def _cut(self, messages: list[Message]) -> RawBatch:
        batch = RawBatch(self._partition, self._sent, self._read, messages)
        self._sent = self._read
        self._sent_at = time.monotonic()
        return batch

    def _ask_sinks(self, claim: Claim, full: bool) -> RawBatch | None:
        """Send a cut without messages while the sinks are behind: they have no timer and no thread to tell them."""
        self._commit_group_sometimes(claim)
        waited_s = time.monotonic() - self._sent_at
        behind = claim.totals < self._read or claim.connection.lost
        patience_s = _ASK_WHEN_FULL_S if full else self._flush_interval_s
        if (behind and (claim.job_done or waited_s >= patience_s)) or waited_s >= KEEP_ALIVE_S:
            claim.job_done = False
            return self._cut([])
        return None

    def _forget_committed(self, claim: Claim) -> None:
        while self._ahead and self._ahead[0][0] <= claim.totals:
            self._bytes_ahead -= self._ahead.popleft()[1]

    def _commit_group_sometimes(self, claim: Claim) -> None:
        now = time.monotonic()
        if claim.totals != self._group_committed and now - self._group_committed_at >= _GROUP_COMMIT_S:
            self._group_committed_at = now
            self._commit_group()

    def _commit_group(self) -> None:
        """Show the lag to Kafka's tools; nothing reads it back, so a failure is no error."""
        if self._claim is None or self._consumer is None or self._claim.totals == self._group_committed:
            return
        self._group_committed = self._claim.totals
        at = TopicPartition(self._settings.visits_topic, self._partition, self._claim.totals)
        try:
            self._consumer.commit(offsets=[at], asynchronous=True)
        except KafkaException as error:
            _ignore_failed_commit(error.args[0], [])


def _add_large(consumer: Consumer, messages: list[Message]) -> None:
    """Add messages one by one while they are few bytes together: thousands of large ones fill the memory."""
    size = sum(map(len, messages))
    while messages and size < _LARGE_BATCH_BYTES and (more := consumer.consume(1, 0)):
        size += len(more[0])
        messages += more


def _ignore_failed_commit(error: KafkaError | None, partitions: list[Any]) -> None:
    if error is not None:
        logger.debug("the group's offset was not committed: %s", error, extra={"partitions": partitions})


class KafkaSource(FixedPartitionedSource[tuple[str, RawBatch], None]):
    """Visits from Kafka.

    Items out: (partition name, RawBatch). Unit of parallelism: the Kafka partition. After a crash: goes on at
    progress.next_offset; recovery snapshots are neither written nor read.
    """

    def __init__(self, settings: Settings, claims: Claims, on_fatal: OnFatal = raise_fatal) -> None:
        self._settings = settings
        self._claims = claims
        self._on_fatal = on_fatal
        self._watch = TopicWatch(settings)

    def list_parts(self) -> list[str]:
        try:
            return partition_names(self._claims.provisioned().partitions)
        except Fatal as fatal:
            self._on_fatal(fatal)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _VisitsPartition:
        return _VisitsPartition(self._settings, self._claims, self._watch, int(for_part), self._on_fatal)
