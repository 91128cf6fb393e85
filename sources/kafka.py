"""Reads Kafka: each partition from where the database stands, in batches, never further ahead than is safe."""

import time
from collections import deque
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import Message

from operators.batches import RawBatch
from partition.ownership import Claim, Claims
from process.errors import Fatal, OnFatal, raise_fatal
from settings import Settings
from sources.closing import Closing
from sources.reader import LARGE_BATCH_BYTES, PartitionReader, size_of
from sources.topic_watch import TopicWatch

BATCHES_AHEAD = 8
BYTES_AHEAD = 128 * 1024 * 1024  # of all partitions together, but one large batch of each
_IDLE = timedelta(milliseconds=10)
_ASLEEP = timedelta(milliseconds=50)  # after a second without a message: half the processor time of a live one
_FALLS_ASLEEP_S = 1.0
_WAIT_FOR_CLAIM = timedelta(milliseconds=20)
_WAIT_FOR_SINKS = timedelta(milliseconds=1)
_ASK_WHEN_FULL_S = 0.005
_GROUP_COMMIT_S = 2.0
KEEP_ALIVE_S = 15.0


def partition_key(partition: int) -> str:
    """Return the name of a partition for Bytewax: of fixed width, since it sorts names."""
    return f"{partition:05d}"


def partition_names(partitions: int) -> list[str]:
    """Return the names of all partitions: source and sinks list the same, so each lands on one worker."""
    return [partition_key(partition) for partition in range(partitions)]


class _Ahead:
    """What was sent and is not committed yet: so many messages and bytes may wait, and no more."""

    def __init__(self, settings: Settings, partitions: int) -> None:
        self._most_offsets = BATCHES_AHEAD * settings.batch_messages
        self._most_bytes = max(BYTES_AHEAD // partitions, LARGE_BATCH_BYTES)
        self._cuts: deque[tuple[int, int]] = deque()
        self._bytes = 0

    def add(self, end: int, size: int) -> None:
        self._cuts.append((end, size))
        self._bytes += size

    def full(self, sent: int, committed: int) -> bool:
        while self._cuts and self._cuts[0][0] <= committed:
            self._bytes -= self._cuts.popleft()[1]
        return sent - committed >= self._most_offsets or self._bytes >= self._most_bytes


class _VisitsPartition(StatefulSourcePartition[tuple[str, RawBatch], None]):
    """One partition. It knows two offsets: read up to, by its reader, and sent up to."""

    def __init__(self, source: "KafkaSource", settings: Settings, claims: Claims, partition: int) -> None:
        self._source = source
        self._settings = settings
        self._claims = claims
        self._partition = partition
        self._key = partition_key(partition)
        self._ahead = _Ahead(settings, claims.provisioned().partitions)
        self._claiming: Future[Claim] = claims.begin(partition)
        self._claim: Claim | None = None
        self._reader: PartitionReader | None = None
        self._sent = 0
        self._got_at = self._sent_at = self._group_committed_at = 0.0
        self._rest: timedelta | None = None

    def next_batch(self) -> list[tuple[str, RawBatch]]:
        try:
            batch = self._next()
        except Fatal as fatal:
            self._source.on_fatal(fatal)
        return [] if batch is None else [(self._key, batch)]

    def next_awake(self) -> datetime | None:
        return None if self._rest is None else datetime.now(UTC) + self._rest

    def snapshot(self) -> None:
        return None  # the position is in the database, with the totals that it belongs to

    def close(self) -> None:
        if self._reader is not None and self._claim is not None:
            self._reader.commit_group(self._claim.totals)
            self._reader.close(self._source.closing)
        self._source.watch.stop()
        self._claims.end(self._partition)

    def _next(self) -> RawBatch | None:
        self._rest = None
        if self._claim is None or self._reader is None:
            if not self._claiming.done():
                self._rest = _WAIT_FOR_CLAIM
                return None
            self._claim, self._reader = self._begin(self._claiming.result())
        if self._source.watch.found:
            raise self._source.watch.found
        claim, reader = self._claim, self._reader
        full = self._ahead.full(self._sent, claim.totals)
        messages = [] if full or self._sent_all(reader) else reader.consume()
        if messages:
            self._got_at = time.monotonic()
            self._ahead.add(reader.read, size_of(messages))
            return self._cut(reader, messages)
        if self._sent_all(reader) and claim.totals == self._sent and not claim.connection.lost:
            raise StopIteration
        idle = _IDLE if time.monotonic() - self._got_at < _FALLS_ASLEEP_S else _ASLEEP
        self._rest = _WAIT_FOR_SINKS if full else idle
        self._commit_group_sometimes(claim, reader)
        return self._cut(reader, []) if self._sinks_want_a_batch(claim, reader, full) else None

    def _begin(self, claim: Claim) -> tuple[Claim, PartitionReader]:
        self._sent = claim.start
        partitions = claim.provisioned.partitions
        return claim, PartitionReader(self._settings, self._claims.admin(), self._partition, partitions, claim.start)

    def _sent_all(self, reader: PartitionReader) -> bool:
        return reader.stop_at is not None and self._sent >= reader.stop_at

    def _cut(self, reader: PartitionReader, messages: list[Message]) -> RawBatch:
        batch = RawBatch(self._partition, self._sent, reader.read, messages)
        self._sent = reader.read
        self._sent_at = time.monotonic()
        return batch

    def _sinks_want_a_batch(self, claim: Claim, reader: PartitionReader, full: bool) -> bool:
        """Tell whether to send a cut without messages: sinks have no timer, and no thread that could tell them."""
        waited_s = time.monotonic() - self._sent_at
        behind = claim.totals < reader.read or claim.connection.lost
        patience_s = _ASK_WHEN_FULL_S if full else self._settings.flush_interval_ms / 1000
        if (behind and (claim.job_done or waited_s >= patience_s)) or waited_s >= KEEP_ALIVE_S:
            claim.job_done = False
            return True
        return False

    def _commit_group_sometimes(self, claim: Claim, reader: PartitionReader) -> None:
        now = time.monotonic()
        if now - self._group_committed_at >= _GROUP_COMMIT_S:
            self._group_committed_at = now
            reader.commit_group(claim.totals)


class KafkaSource(FixedPartitionedSource[tuple[str, RawBatch], None]):
    """Visits from Kafka.

    Items out: (partition name, RawBatch). Unit of parallelism: the Kafka partition. After a crash: goes on at
    progress.next_offset; recovery snapshots are neither written nor read.
    """

    def __init__(self, settings: Settings, claims: Claims, on_fatal: OnFatal = raise_fatal) -> None:
        self._settings = settings
        self._claims = claims
        self.on_fatal = on_fatal
        self.watch = TopicWatch(settings)
        self.closing = Closing()

    def list_parts(self) -> list[str]:
        try:
            return partition_names(self._claims.provisioned().partitions)
        except Fatal as fatal:
            self.on_fatal(fatal)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _VisitsPartition:
        partition = _VisitsPartition(self, self._settings, self._claims, int(for_part))
        self.watch.start(self._claims.provisioned(), self._claims.admin())
        return partition
