"""Commits the batches of one owned partition: Kafka first, MariaDB second, then the position moves."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, Protocol, TypeVar

from operators.batches import OutputBatch, SumBatch
from partition.figures import OWNED
from partition.ownership import OwnedPartition
from partition.position import KEEP_ALIVE_S
from process.cancellation import Cancelled
from process.errors import ExitCode, Fatal, OnFatal

logger = logging.getLogger(__name__)

BACKLOG_S = 0.05  # commits 5 ms apart cost a backlog 8 % of its rate
BACKLOG_COMMITS_PER_S = 80.0  # of all partitions together: 64 of them wait for 0.8 s
BACKLOG_MESSAGES = 16_000  # half of what the source reads ahead: the other half is read meanwhile
_STOP_S = 5.0


class OutputsWriter(Protocol):
    """Commits outputs to Kafka; sinks/kafka.py has it."""

    def commit(self, batches: Sequence[OutputBatch]) -> None:
        """Commit the outputs of these batches, all or none."""


class TotalsWriter(Protocol):
    """Commits sums and position to MariaDB; sinks/mariadb.py has it."""

    def commit(self, batches: Sequence[SumBatch]) -> None:
        """Commit the sums of these batches and the position behind them, all or none."""

    def keep_alive(self) -> None:
        """Keep the connection, and the lock that it holds."""


class _HasOffsets(Protocol):
    @property
    def begin(self) -> int: ...

    @property
    def end(self) -> int: ...


B = TypeVar("B", bound=_HasOffsets)


class _Handed(Generic[B]):
    """What one sink has handed over, in order and without a gap."""

    def __init__(self, start: int) -> None:
        self._end = start
        self._batches: deque[B] = deque()

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, batch: B, where: str) -> None:
        if batch.begin != self._end:
            message = f"{where}: a batch begins at offset {batch.begin}, but {self._end} comes next; report this"
            raise Fatal(message, ExitCode.ABORTED)
        self._end = batch.end
        self._batches.append(batch)

    @property
    def begin(self) -> int:
        return self._batches[0].begin

    @property
    def newest(self) -> B:
        return self._batches[-1]

    def take(self, count: int) -> list[B]:
        return [self._batches.popleft() for _ in range(count)]


class GroupCommit(NamedTuple):
    """When a commit begins: the shortest time after the one before, and from how many messages on a batch is full."""

    flush_interval_s: float
    full_batch: int


class Committer:
    """One thread that commits the batches of one partition.

    Each sink hands over its half of a batch; the committer takes those of which it has both. Group commit: it
    begins as soon as the commit before has ended and a batch waits, with all that have gathered, but no sooner
    than the flush interval after it began the one before. A full batch means that more waits in the log, and no
    reader waits for it in particular: then up to 16,000 messages gather, for 50 ms at most, or longer where there
    are many partitions.

    `position` is where the database stands: the source reads it, and nothing else. `failure` is what ended the
    thread, where the process outlives that.
    """

    def __init__(
        self,
        owned: OwnedPartition,
        *,
        outputs: OutputsWriter,
        totals: TotalsWriter,
        group: GroupCommit,
        on_fatal: OnFatal,
    ) -> None:
        """Prepare the thread; it closes the partition's connection when it ends."""
        self.owned = owned
        self.position = owned.start
        self.failure: Fatal | None = None
        self._where = owned.where
        self._outputs = outputs
        self._totals = totals
        self._group = group
        self._backlog_s = max(BACKLOG_S, owned.pipeline.partitions / BACKLOG_COMMITS_PER_S)
        self._cancellation = owned.cancellation
        self._on_fatal = on_fatal
        self._changed = threading.Condition()
        self._handed_outputs: _Handed[OutputBatch] = _Handed(owned.start)
        self._handed_sums: _Handed[SumBatch] = _Handed(owned.start)
        self._begun_at = float("-inf")
        self.figures = OWNED.add(owned.partition)
        self._thread = threading.Thread(target=self._run, name=f"committer {owned.partition}", daemon=True)

    def start(self) -> None:
        """Start to commit."""
        self._thread.start()

    def add_outputs(self, batch: OutputBatch) -> None:
        """Take the outputs of the next batch.

        :raises Fatal: it does not follow the one before.
        """
        with self._changed:
            self._handed_outputs.add(batch, self._where)
            self._changed.notify()

    def add_sums(self, batch: SumBatch) -> None:
        """Take the sums of the next batch.

        :raises Fatal: it does not follow the one before.
        """
        with self._changed:
            self._handed_sums.add(batch, self._where)
            self._changed.notify()

    def stop(self, timeout_s: float = _STOP_S) -> bool:
        """Begin no further commit; return whether the thread has ended within the time-out.

        What is handed over and not committed is dropped: the next owner reads it again.
        """
        self._cancellation.request()
        with self._changed:
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with suppress(Cancelled):
                self._commit_batches()
        except Fatal as fatal:
            self._fail(fatal)
        except Exception as error:  # a defect: otherwise the thread would end unnoticed, and the dataflow hang
            logger.exception("%s: the committer has failed", self._where, extra={"action": "defect"})
            message = f"{self._where}: {type(error).__name__} in the committer: {error}; report this"
            self._fail(Fatal(message, ExitCode.ABORTED))
        finally:
            OWNED.remove(self.owned.partition)
            self.owned.connection.close()

    def _commit_batches(self) -> None:
        while True:
            outputs, sums = self._next(KEEP_ALIVE_S)
            if not sums:
                self._totals.keep_alive()
                continue
            self._outputs.commit(outputs)  # Kafka first
            self._cancellation.check()
            self._totals.commit(sums)  # MariaDB second: sums and next_offset
            self.position = sums[-1].end  # all that the source reads
            self.figures.count(outputs, sums)

    def _next(self, timeout_s: float) -> tuple[list[OutputBatch], list[SumBatch]]:
        """Wait for batches and return all of them, both halves; none when none came within the time-out.

        :raises Cancelled: the committer is stopped.
        """
        with self._changed:
            if not self._wait_for(self._complete, timeout_s):
                return [], []
            self._wait_for(lambda: False, self._begun_at + self._group.flush_interval_s - time.monotonic())
            self._wait_for(self._is_gathered, self._begun_at + self._backlog_s - time.monotonic())
            self._begun_at = time.monotonic()
            count = self._complete()
            outputs, sums = self._handed_outputs.take(count), self._handed_sums.take(count)
        if outputs[-1].end != sums[-1].end:
            message = f"{self._where}: outputs end at offset {outputs[-1].end}, sums at {sums[-1].end}; report this"
            raise Fatal(message, ExitCode.ABORTED)
        return outputs, sums

    def _complete(self) -> int:
        return min(len(self._handed_outputs), len(self._handed_sums))

    def _is_gathered(self) -> bool:
        newest = self._handed_sums.newest
        is_full = newest.visits + newest.rejected >= self._group.full_batch
        return not is_full or newest.end - self._handed_sums.begin >= BACKLOG_MESSAGES

    def _wait_for(self, condition: Callable[[], object], timeout_s: float) -> object:
        cancelled = self._cancellation.is_requested
        met = self._changed.wait_for(lambda: cancelled() or condition(), max(0.0, timeout_s))
        self._cancellation.check()
        return met

    def _fail(self, fatal: Fatal) -> None:
        self.failure = fatal
        with suppress(Fatal):  # one that raises leaves it to the source, which finds the failure
            self._on_fatal(fatal)
