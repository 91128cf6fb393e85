"""This process as the owner of partitions: it takes them, commits their batches, and releases them."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from confluent_kafka.admin import AdminClient

from clients import kafka
from partition.backlog import full_batch
from partition.committer import Committer, GroupCommit, OutputsWriter, TotalsWriter
from partition.ownership import OwnedPartition, Shared, take_ownership
from partition.pipeline import Pipeline
from partition.producer import BATCH_BYTES, largest_batch
from partition.provisioned import compare
from partition.tail_consumers import TailConsumers
from process.cancellation import Cancellation
from process.descriptors import ensure_descriptors
from process.errors import ExitCode, Fatal, OnFatal, raise_fatal
from settings import Settings

_DESCRIPTORS = 128  # of the process itself, and of a cluster's connections
_DESCRIPTORS_PER_PARTITION = 17  # consumer, producer, their brokers' connections, and MariaDB's
_AT_ONCE = 8  # taking ownership is 0.1 s of waiting: one after another, 64 partitions took 13 s

OutputsWriterOf = Callable[[OwnedPartition], OutputsWriter]
TotalsWriterOf = Callable[[OwnedPartition], TotalsWriter]


def partition_name(partition: int) -> str:
    """Return the name of a partition for Bytewax: of fixed width, since it sorts names."""
    return f"{partition:05d}"


class PartitionOwner:
    """The partitions that this process owns, and their committers; source and sinks of a dataflow share one."""

    def __init__(self, settings: Settings, on_fatal: OnFatal = raise_fatal) -> None:
        self.on_fatal = on_fatal
        self._settings = settings
        self._lock = threading.Lock()
        self._admin: AdminClient | None = None
        self._pipeline: Pipeline | None = None
        self._largest_batch = BATCH_BYTES
        self._tails = TailConsumers(settings)
        self._waiting = 0
        self._pool: ThreadPoolExecutor | None = None
        self._taken: dict[int, tuple[Future[Committer], Cancellation]] = {}
        self._all_stop_in_time = True
        self.outputs: OutputsWriterOf | None = None
        """Makes what commits a partition's outputs; the Kafka sink sets it."""
        self.totals: TotalsWriterOf | None = None
        """Makes what commits a partition's totals; the MariaDB sink sets it."""

    def pipeline(self) -> Pipeline:
        """Compare database, topics and settings, once; no partition is taken when anything differs.

        :raises Fatal: what is unavailable, missing or different.
        """
        with self._lock:
            if self._pipeline is None:
                pipeline = compare(self._settings, self.admin())
                self._largest_batch = largest_batch(self._settings, self.admin())
                self._pipeline = pipeline
            return self._pipeline

    def partition_names(self) -> list[str]:
        """Return the names of all partitions: source and sinks list the same, so each lands on one worker.

        What `pipeline` raises goes to `on_fatal`.
        """
        try:
            return [partition_name(partition) for partition in range(self.pipeline().partitions)]
        except Fatal as fatal:
            self.on_fatal(fatal)

    def admin(self) -> AdminClient:
        """Return the admin client of this process; one that knows the cluster already answers at once."""
        if self._admin is None:
            self._admin = kafka.admin_client(self._settings)
        return self._admin

    def begin(self, partition: int) -> "Future[Committer]":
        """Begin to take a partition, and return at once; the committer runs when it is owned."""
        pipeline = self.pipeline()
        with self._lock:
            self._descriptors_for(len(self._taken) + 1)
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ownership")
            cancellation = Cancellation()
            future = self._pool.submit(self._take, pipeline, partition, cancellation)
            self._taken[partition] = (future, cancellation)
            self._waiting += 1
        future.add_done_callback(self._taken_or_not)
        return future

    def of(self, partition: int) -> Committer:
        """Return the committer of a partition that this process owns: batches only come after it is owned.

        :raises Fatal: the partition is owned in another process.
        """
        future, _ = self._taken.get(partition, (None, None))
        if future is None or not future.done():
            message = f"partition {partition}: its source and its sinks run in different processes; report this"
            raise Fatal(message, ExitCode.ABORTED)
        return future.result()

    def release(self, partition: int) -> None:
        """Let a partition go, owned or not yet; the last one ends the pool too. Commits nothing."""
        with self._lock:
            future, cancellation = self._taken.pop(partition, (None, None))
            pool = self._pool if not self._taken else None
            self._pool = None if pool else self._pool
        if cancellation:
            cancellation.request()
        if future and not future.cancel() and future.exception() is None:
            self._stop(future.result())
        if pool:
            pool.shutdown()

    def _taken_or_not(self, _: "Future[Committer]") -> None:
        """Close what only taking ownership needs, when no partition waits for it any more."""
        with self._lock:
            self._waiting -= 1
            last = self._waiting == 0
        if last:
            self._tails.close()

    def _descriptors_for(self, partitions: int) -> None:
        what = f"{partitions} partitions in this process"
        try:
            ensure_descriptors(_DESCRIPTORS + _DESCRIPTORS_PER_PARTITION * partitions, what)
        except Fatal as fatal:
            self.on_fatal(fatal)

    def _take(self, pipeline: Pipeline, partition: int, cancellation: Cancellation) -> Committer:
        if self.outputs is None or self.totals is None:
            raise RuntimeError("the Kafka sink and the MariaDB sink of this dataflow belong to another PartitionOwner")
        shared = Shared(self._settings, pipeline, self._largest_batch, self.admin(), self._tails)
        owned = take_ownership(shared, partition, cancellation)
        committer = Committer(
            owned,
            outputs=self.outputs(owned),
            totals=self.totals(owned),
            group=GroupCommit(
                flush_interval_s=self._settings.flush_interval_ms / 1000,
                full_batch=full_batch(self._settings.batch_messages, pipeline.partitions),
            ),
            on_fatal=self.on_fatal,
        )
        committer.start()
        return committer

    def _stop(self, committer: Committer) -> None:
        """Stop a committer; once one has not stopped in time, the others are not waited for."""
        self._all_stop_in_time = committer.stop() if self._all_stop_in_time else committer.stop(0)
