"""What both sinks are: a partition whose cuts are carried out one after another, while the worker goes on."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from partition.ownership import Claim, Claims
from process.errors import ExitCode, Fatal, OnFatal, raise_fatal
from settings import Settings
from sources.kafka import partition_names


class Batch(Protocol):
    """What comes into a sink: all that a sink needs of begin <= offset < end; begin == end asks it to catch up."""

    @property
    def begin(self) -> int: ...

    @property
    def end(self) -> int: ...


B = TypeVar("B", bound=Batch)


class CutPartition(StatefulSinkPartition[B, None], ABC, Generic[B]):
    """Takes the batches of one partition in order, and carries out a cut of them on a thread of the sink's pool.

    One job is under way at a time; what comes meanwhile waits for the next. Nothing but the job itself runs
    outside the worker's thread.
    """

    def __init__(
        self, settings: Settings, claims: Claims, pool: ThreadPoolExecutor, partition: int, on_fatal: OnFatal
    ) -> None:
        self._settings = settings
        self._claims = claims
        self._pool = pool
        self._partition = partition
        self._on_fatal = on_fatal
        self._flush_interval_s = settings.flush_interval_ms / 1000
        self._claim: Claim | None = None
        self._end = 0  # taken up to here
        self._job: Future[Any] | None = None
        self._flushed_at = 0.0

    def write_batch(self, values: list[B]) -> None:
        try:
            claim = self._claimed()
            for batch in values:
                self._check_follows(batch)
                self._take(claim, batch)
            if self._job and self._job.done():
                job, self._job = self._job, None
                self._settle(claim, job)
            asked = any(batch.begin == batch.end for batch in values)
            if self._job is None and (asked or time.monotonic() - self._flushed_at >= self._flush_interval_s):
                self._flush(claim)
        except Fatal as fatal:
            self._on_fatal(fatal)

    def snapshot(self) -> None:
        return None

    @abstractmethod
    def _take(self, claim: Claim, batch: B) -> None:
        """Keep what comes until it is flushed."""

    @abstractmethod
    def _begin(self, claim: Claim) -> Callable[[], Any] | None:
        """Return the next job; None while there is none."""

    @abstractmethod
    def _settle(self, claim: Claim, job: "Future[Any]") -> None:
        """Look at what became of a job, and move the claim on."""

    def _claimed(self) -> Claim:
        if self._claim is None:
            self._claim = self._claims.of(self._partition)
            self._end = self._claim.start
        return self._claim

    def _check_follows(self, batch: B) -> None:
        if batch.begin != self._end:
            message = (
                f"partition {self._partition}: a batch begins at offset {batch.begin}, but {self._end} comes next; "
                "report this"
            )
            raise Fatal(message, ExitCode.ABORTED)
        self._end = batch.end

    def _flush(self, claim: Claim) -> None:
        job = self._begin(claim)
        if job:
            self._flushed_at = time.monotonic()
            self._job = self._pool.submit(job)
            self._job.add_done_callback(claim.note_job_done)


class PartitionedSink(FixedPartitionedSink[B, None], ABC, Generic[B]):
    """A sink with the partitions of the source, and a pool of threads that waits for the server."""

    _jobs_at_once: int

    def __init__(self, settings: Settings, claims: Claims, on_fatal: OnFatal = raise_fatal) -> None:
        self._settings = settings
        self._claims = claims
        self._on_fatal = on_fatal
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def list_parts(self) -> list[str]:
        try:
            return partition_names(self._claims.provisioned().partitions)
        except Fatal as fatal:
            self._on_fatal(fatal)

    def part_fn(self, item_key: str) -> int:
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> CutPartition[B]:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._jobs_at_once, thread_name_prefix=step_id)
        return self._partition(self._pool, int(for_part))

    @abstractmethod
    def _partition(self, pool: ThreadPoolExecutor, partition: int) -> CutPartition[B]:
        """Return the partition of this number."""
