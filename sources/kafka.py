"""Reads Kafka: each partition from where the database stands, in batches, never further ahead than is safe."""

import time
from collections import deque
from datetime import UTC, datetime, timedelta

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from operators.batches import RawBatch
from partition.committer import Committer
from partition.owner import PartitionOwner, partition_name
from process.errors import Fatal
from process.heartbeat import Heartbeat
from settings import Settings
from sources.reader import LARGE_BATCH_BYTES, ConsumerCloser, PartitionReader, size_of
from sources.topic_watch import TopicWatch

MESSAGES_AHEAD = 32_000  # of each partition, whatever the size of a batch
BYTES_AHEAD = 128 * 1024 * 1024  # of all partitions together, but at least one large batch of each
_IDLE = timedelta(milliseconds=10)
_ASLEEP = timedelta(milliseconds=50)  # after a second without a message: half the CPU time
_FALLS_ASLEEP_S = 1.0
_WAIT_FOR_OWNERSHIP = timedelta(milliseconds=20)
_WAIT_FOR_COMMITTER = timedelta(milliseconds=1)
_GROUP_COMMIT_S = 2.0


class _Ahead:
    """What was sent and is not committed yet: so many offsets and bytes may wait, and no more."""

    def __init__(self, partitions: int) -> None:
        self._max_bytes = max(BYTES_AHEAD // partitions, LARGE_BATCH_BYTES)
        self._batches: deque[tuple[int, int]] = deque()
        self._bytes = 0

    def add(self, end: int, size: int) -> None:
        self._batches.append((end, size))
        self._bytes += size

    def drop_committed(self, position: int) -> None:
        while self._batches and self._batches[0][0] <= position:
            self._bytes -= self._batches.popleft()[1]

    def figures(self) -> tuple[int, int]:
        """Return how many batches and bytes are ahead."""
        return len(self._batches), self._bytes

    def is_full(self, sent: int, position: int) -> bool:
        return sent - position >= MESSAGES_AHEAD or self._bytes >= self._max_bytes


class _OwnedReading:
    """One owned partition: what is read of it is sent on, as far as its committer allows."""

    def __init__(self, committer: Committer, reader: PartitionReader, ahead: _Ahead) -> None:
        self.committer = committer
        self.reader = reader
        self._ahead = ahead
        self._sent = committer.owned.start
        self._received_at = self._group_committed_at = 0.0
        committer.figures.ahead = ahead.figures
        committer.figures.lag = self._lag

    def next(self, partition: int) -> RawBatch | None:
        """Return the next batch; None while there is nothing to send.

        :raises StopIteration: all that was to be read is committed.
        """
        position = self.committer.position
        self._ahead.drop_committed(position)
        if self._sent_all() and position >= self._sent:
            raise StopIteration
        if self._sent_all() or self._ahead.is_full(self._sent, position):
            return None
        messages = self.reader.consume()
        if self.reader.read == self._sent:
            return None
        if messages:
            self._received_at = time.monotonic()
            self._ahead.add(self.reader.read, size_of(messages))
        batch = RawBatch(partition, self._sent, self.reader.read, messages)
        self._sent = self.reader.read
        return batch

    def _lag(self) -> int | None:
        end = self.reader.known_end()
        return None if end is None else max(0, end - self.committer.position)

    def rest(self) -> timedelta:
        """Return how long to wait after there was nothing to send."""
        if self._sent_all() or self._ahead.is_full(self._sent, self.committer.position):
            return _WAIT_FOR_COMMITTER
        return _IDLE if time.monotonic() - self._received_at < _FALLS_ASLEEP_S else _ASLEEP

    def commit_group_if_due(self) -> None:
        """Show the lag to Kafka's tools every 2 s."""
        now = time.monotonic()
        if now - self._group_committed_at >= _GROUP_COMMIT_S:
            self._group_committed_at = now
            self.reader.commit_group(self.committer.position)

    def close(self, closer: ConsumerCloser) -> None:
        self.reader.commit_group(self.committer.position)
        closer.close(self.reader.consumer)

    def _sent_all(self) -> bool:
        return self.reader.stop_at is not None and self._sent >= self.reader.stop_at


class _VisitsPartition(StatefulSourcePartition[tuple[str, RawBatch], None]):
    """One partition: first its ownership, then its messages."""

    def __init__(self, source: "KafkaSource", partition: int) -> None:
        self._source = source
        self._partition = partition
        self._name = partition_name(partition)
        self._taking = source.owner.begin(partition)
        self._reading: _OwnedReading | None = None
        self._rest: timedelta | None = None
        source.heartbeat.begin(partition)

    def next_batch(self) -> list[tuple[str, RawBatch]]:
        self._source.heartbeat.moved(self._partition)
        try:
            batch = self._next()
        except Fatal as fatal:
            self._source.owner.on_fatal(fatal)
        except StopIteration:
            self._source.heartbeat.finish(self._partition)
            self._source.reached_end(self._name, self._reading.reader.open_transaction if self._reading else None)
            raise
        return [] if batch is None else [(self._name, batch)]

    def next_awake(self) -> datetime | None:
        return None if self._rest is None else datetime.now(UTC) + self._rest

    def snapshot(self) -> None:
        return None  # the position is in the database, with the totals that it belongs to

    def close(self) -> None:
        if self._reading is not None:
            self._reading.close(self._source.closer)
        self._source.watch.stop()
        self._source.owner.release(self._partition)

    def _next(self) -> RawBatch | None:
        if self._reading is None:
            if not self._taking.done():
                self._rest = _WAIT_FOR_OWNERSHIP
                return None
            self._reading = self._source.reading(self._taking.result(), self._partition)
        for failure in (self._source.watch.found, self._reading.committer.failure):
            if failure:
                raise failure
        batch = self._reading.next(self._partition)
        self._rest = None if batch else self._reading.rest()
        if batch is None:
            self._reading.commit_group_if_due()
        return batch


class KafkaSource(FixedPartitionedSource[tuple[str, RawBatch], None]):
    """Visits from Kafka.

    Items out: (partition name, RawBatch). Unit of parallelism: the Kafka partition. After a crash: resumes at
    progress.next_offset; recovery snapshots are neither written nor read.
    """

    def __init__(self, settings: Settings, owner: PartitionOwner, heartbeat: Heartbeat | None = None) -> None:
        self._settings = settings
        self.owner = owner
        self.heartbeat = heartbeat or Heartbeat()
        self.watch = TopicWatch(settings, owner.on_fatal)
        self.closer = ConsumerCloser()
        self._unfinished: set[str] = set()
        self._left_open: list[Fatal] = []

    def reached_end(self, name: str, open_transaction: Fatal | None) -> None:
        """Note that a partition is counted up to its end, and which transaction was open there."""
        self._unfinished.discard(name)
        if open_transaction:
            self._left_open.append(open_transaction)

    def end_incomplete(self) -> None:
        """End the process with an open transaction in the input, if there was one and all partitions are at their end.

        Called when Bytewax has ended: the partitions of other processes are at their end, too.
        """
        if self._left_open and not self._unfinished:
            self.owner.on_fatal(self._left_open[0])

    def list_parts(self) -> list[str]:
        return self.owner.partition_names()

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _VisitsPartition:
        partition = _VisitsPartition(self, int(for_part))
        self._unfinished.add(for_part)
        self.watch.start(self.owner.pipeline(), self.owner.admin())
        return partition

    def reading(self, committer: Committer, partition: int) -> _OwnedReading:
        """Begin to read an owned partition, where the database stands.

        :raises Fatal: Kafka is unavailable or refuses, or has lost what is counted already.
        """
        partitions = self.owner.pipeline().partitions
        reader = PartitionReader(self._settings, self.owner.admin(), partition, partitions, committer.owned.start)
        return _OwnedReading(committer, reader, _Ahead(partitions))
