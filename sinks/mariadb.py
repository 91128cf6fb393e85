"""Adds sums to MariaDB and moves the position forward with them, in one transaction."""

import logging
import random
from collections.abc import Callable, Sequence

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from clients import mariadb
from clients.mariadb import ConnectionLost, Transient
from operators.batches import SumBatch
from operators.last_read import LastRead
from partition.owner import PartitionOwner
from partition.ownership import OwnedPartition
from process import metrics, outage
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from sinks.sums import MergedSums, documents_of, merged, rows_for

logger = logging.getLogger(__name__)

LIMIT_S = 90.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_NOTHING_READ = (None,) * len(LastRead._fields)


class TotalsWriter:
    """Commits the sums of one owned partition, on the connection that holds its lock."""

    def __init__(self, owned: OwnedPartition) -> None:
        self._partition = owned.partition
        self._topic_id = owned.pipeline.topic_id
        self._connection = owned.connection
        self._cancellation = owned.cancellation
        self._position = owned.start

    def commit(self, batches: Sequence[SumBatch]) -> None:
        """Commit the sums of these batches and the position behind them, in one transaction.

        :raises Fatal: refused, unavailable for 90 s, or the position is not where this dataflow left it.
        :raises Cancelled: found before each attempt.
        """
        sums = merged(batches)
        with metrics.timed("mariadb", sum(map(len, sums.sums.values()))):
            self._retry(lambda: self._commit_once(sums))
        self._position = sums.end

    def keep_alive(self) -> None:
        """Keep the connection and its lock, or connect again.

        :raises Fatal: as `commit`.
        :raises Cancelled: as `commit`.
        """
        self._retry(self._keep_alive_once)

    def _commit_once(self, sums: MergedSums) -> None:
        if self._connection.lost and self._reconnected(sums.end) == sums.end:
            return  # the lost connection had committed it
        try:
            self._write(sums)
        except Transient:
            self._connection.rollback()
            raise

    def _write(self, sums: MergedSums) -> None:
        if not self._advanced(sums):
            raise self._moved(self._connection.position_in_transaction(), sums.end)
        for document in documents_of(sums.sums, rows_for(self._connection.most_packet_bytes)):
            self._connection.execute("add_totals", (document,))
        self._connection.commit()

    def _advanced(self, sums: MergedSums) -> bool:
        values = (
            sums.end,
            sums.visits + sums.rejected,
            sums.visits,
            sums.rejected,
            sums.latest,
            sums.latest,
            *(sums.last_read or _NOTHING_READ),
            self._topic_id,
            self._partition,
            sums.begin,
        )
        return self._connection.execute("advance_progress", values) == 1

    def _keep_alive_once(self) -> None:
        if self._connection.lost:
            self._reconnected(self._position)
        else:
            self._connection.keep_alive()

    def _reconnected(self, end: int) -> int:
        """Take the lock again, then return the position: before or behind the commit that ends at `end`."""
        try:
            self._connection.open(self._cancellation, wait_s=1)
        except Fatal as fatal:
            if fatal.code != ExitCode.HELD:
                raise
            # After a network failure the server keeps our own old connection, and its lock, for up to wait_timeout.
            self._connection.close()
            raise ConnectionLost(fatal.message) from fatal
        position = self._connection.position()
        if position not in {self._position, end}:
            raise self._moved(position, end)
        logger.debug("%s: connected again", self._connection.where, extra={"action": "reconnected"})
        return position

    def _moved(self, position: int, end: int) -> Fatal:
        expected = str(self._position) if end == self._position else f"{self._position} or {end}"
        message = (
            f"{self._connection.where}: progress stands at offset {position}, but {expected} was expected: another "
            "dataflow has written, or the database was restored; a restart resumes at that offset"
        )
        return Fatal(message, ExitCode.ABORTED)

    def _retry(self, attempt: Callable[[], None]) -> None:
        """Repeat what fails for a while: pauses double from 50 ms to 2 s, with jitter, for 90 s in all."""
        deadline, pause_s = Deadline(LIMIT_S), _FIRST_PAUSE_S
        try:
            while True:
                self._cancellation.check()
                try:
                    return attempt()
                except (ConnectionLost, Transient) as error:
                    if deadline.passed:
                        raise mariadb.unavailable(error) from error
                    metrics.RETRIES.labels("mariadb", error.known.name).inc()
                    outage.MARIADB.failed(self, str(error), error.known.name)
                self._cancellation.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311
                pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
        finally:
            outage.MARIADB.succeeded(self)


class _TotalsPartition(StatefulSinkPartition[SumBatch, None]):
    """Hands the sums of one partition to its committer, which has a `TotalsWriter`."""

    def __init__(self, owner: PartitionOwner, partition: int) -> None:
        self._owner = owner
        self._partition = partition

    def write_batch(self, values: list[SumBatch]) -> None:
        try:
            committer = self._owner.of(self._partition)
            for batch in values:
                committer.add_sums(batch)
        except Fatal as fatal:
            self._owner.on_fatal(fatal)

    def snapshot(self) -> None:
        return None  # the position is in the database, with the totals that it belongs to

    def close(self) -> None:
        """Commit nothing: Bytewax also closes after an exception and on Ctrl-C. The source stops the committer."""


class MariaDBSink(FixedPartitionedSink[SumBatch, None]):
    """Totals and positions to MariaDB.

    Items in: (partition name, SumBatch). Unit of parallelism: the input's Kafka partition, with a connection of
    its own. After a crash: progress.next_offset is where its totals end, for both are one transaction.
    """

    def __init__(self, owner: PartitionOwner) -> None:
        self._owner = owner
        owner.totals = TotalsWriter

    def list_parts(self) -> list[str]:
        return self._owner.partition_names()

    def part_fn(self, item_key: str) -> int:
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _TotalsPartition:
        return _TotalsPartition(self._owner, int(for_part))
