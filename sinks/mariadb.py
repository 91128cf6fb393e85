"""Adds sums to MariaDB and moves the position on with them, in one transaction."""

import logging
import random
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from claim import Claim, Claims
from failure import ExitCode, Fatal, OnFatal, raise_fatal
from operators.windows import Amount, Board, SumBatch, add_to, parts_of
from settings import Settings
from sinks import database
from sinks.database import ConnectionLost, Transient
from sinks.kafka import check_follows
from sources.kafka import partition_names

logger = logging.getLogger(__name__)

LIMIT_S = 60.0
_LONGEST_PAUSE_S = 2.0
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - DATETIME columns carry no zone; the project's are UTC


class _Cut(NamedTuple):
    """What one transaction commits: the batches from `begin` to `end`, merged."""

    begin: int
    end: int
    batches: int
    counts: tuple[Any, ...]
    rows: list[tuple[Any, ...]]


class _Patience:
    """When to try again, and when to stop: pauses double from 50 ms to 2 s, with jitter, for 60 s in all."""

    def __init__(self) -> None:
        self._failures = 0
        self._since = 0.0
        self._not_before = 0.0

    @property
    def ready(self) -> bool:
        return time.monotonic() >= self._not_before

    def failed(self, error: Exception) -> None:
        now = time.monotonic()
        if self._failures == 0:
            self._since = now
        if now - self._since > LIMIT_S:
            raise database.away(error) from error
        pause_s = min(_LONGEST_PAUSE_S, 0.05 * 2**self._failures) * random.uniform(0.5, 1.0)  # noqa: S311
        self._failures += 1
        self._not_before = now + pause_s
        logger.warning("%s; trying again in %d ms", error, pause_s * 1000, extra={"action": "mariadb_retry"})

    def succeeded(self) -> None:
        self._failures = 0


class _TotalsPartition(StatefulSinkPartition[SumBatch, None]):
    def __init__(self, settings: Settings, claims: Claims, partition: int, on_fatal: OnFatal) -> None:
        self._claims = claims
        self._partition = partition
        self._on_fatal = on_fatal
        self._flush_interval_s = settings.flush_interval_ms / 1000
        self._claim: Claim | None = None
        self._waiting: deque[SumBatch] = deque()
        self._end = 0  # waiting up to here
        self._cut: _Cut | None = None
        self._patience = _Patience()
        self._flushed_at = 0.0

    def write_batch(self, values: list[SumBatch]) -> None:
        try:
            claim = self._claimed()
            for batch in values:
                check_follows(batch.begin, self._end, self._partition)
                self._end = batch.end
                if batch.end > batch.begin:
                    self._waiting.append(batch)
            asked = any(batch.begin == batch.end for batch in values)
            due = time.monotonic() - self._flushed_at >= self._flush_interval_s
            if (asked or due) and self._patience.ready:
                self._flush(claim)
        except Fatal as fatal:
            self._on_fatal(fatal)

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        """Do nothing: the claim's connection is the source's to close, and closing it rolls back."""

    def _claimed(self) -> Claim:
        if self._claim is None:
            self._claim = self._claims.of(self._partition)
            self._end = self._claim.start
        return self._claim

    def _flush(self, claim: Claim) -> None:
        try:
            if claim.connection.lost:
                self._reconnect(claim)
            # A cut stays as it is until it is known to be committed: what was sent once is sent again or not.
            self._cut = self._cut or self._next_cut(claim)
            if self._cut:
                self._commit(claim, self._cut)
            else:
                claim.connection.keep_alive()
        except ConnectionLost as error:
            self._patience.failed(error)
            return
        except Transient as error:
            self._patience.failed(error)
            self._roll_back(claim)
            return
        self._patience.succeeded()
        self._flushed_at = time.monotonic()

    def _next_cut(self, claim: Claim) -> _Cut | None:
        ready = list(self._ready(claim.outputs))
        if not ready:
            return None
        sums: dict[Board, dict[str, Amount]] = {}
        for batch in ready:
            for board, entries in batch.sums.items():
                add_to(sums, board, entries)
        visits = sum(batch.visits for batch in ready)
        rejected = sum(batch.rejected for batch in ready)
        latest = _date_of(max((batch.max_timestamp for batch in ready if batch.visits), default=None))
        counts = (visits + rejected, visits, rejected, latest, latest)
        return _Cut(ready[0].begin, ready[-1].end, len(ready), counts, _rows(sums))

    def _ready(self, outputs: int) -> Any:
        """Yield the batches whose outputs are committed: the database goes no further than Kafka."""
        return islice(self._waiting, sum(1 for batch in self._waiting if batch.end <= outputs))

    def _commit(self, claim: Claim, cut: _Cut) -> None:
        connection, provisioned = claim.connection, claim.provisioned
        row = (provisioned.topic_id, self._partition, cut.begin)
        changed = connection.execute("advance_progress", (cut.end, *cut.counts, *row))
        if changed != 1:
            raise self._moved(claim, connection.position_now(), cut)
        if cut.rows:
            connection.execute_many("add_totals", cut.rows)
        connection.commit()
        self._committed(claim, cut)

    def _committed(self, claim: Claim, cut: _Cut) -> None:
        for _ in range(cut.batches):
            self._waiting.popleft()
        claim.totals = cut.end
        self._cut = None

    def _reconnect(self, claim: Claim) -> None:
        """Lock again, then see on which side of the last commit the connection was lost."""
        claim.connection.open(wait_s=1)
        position = claim.connection.position()
        cut = self._cut
        if cut and position == cut.end:
            self._committed(claim, cut)
        elif position != claim.totals:
            raise self._moved(claim, position, cut)
        logger.info("%s: connected again", claim.connection.where, extra={"action": "reconnected"})

    def _roll_back(self, claim: Claim) -> None:
        try:
            claim.connection.rollback()
        except ConnectionLost as error:
            logger.warning("%s", error, extra={"action": "connection_lost"})

    def _moved(self, claim: Claim, position: int, cut: _Cut | None) -> Fatal:
        expected = f"{claim.totals} or {cut.end}" if cut else str(claim.totals)
        line = (
            f"{claim.connection.where}: progress stands at offset {position}, but {expected} was expected: another "
            "dataflow has written, or the database went back; starting again goes on where it stands"
        )
        return Fatal(line, ExitCode.ABORTED)


def _date_of(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else _EPOCH + timedelta(microseconds=round(timestamp * 1_000_000))


@lru_cache(maxsize=4096)
def _window_start(start: int) -> datetime:
    return datetime.fromtimestamp(start, UTC).replace(tzinfo=None)


def _rows(sums: dict[Board, dict[str, Amount]]) -> list[tuple[Any, ...]]:
    """Return the rows in key order: connections that lock in one order never wait in a circle."""
    return [
        (board[0], _window_start(board[1]), board[2], entry, *parts_of(amount))
        for board, entries in sorted(sums.items())
        for entry, amount in sorted(entries.items())
    ]


class MariaDBSink(FixedPartitionedSink[SumBatch, None]):
    """Totals and positions to MariaDB.

    Items in: (partition name, SumBatch). Unit of parallelism: the input's Kafka partition, with a connection of
    its own. After a crash: progress.next_offset is where its totals end, for both are one transaction.
    """

    def __init__(self, settings: Settings, claims: Claims, on_fatal: OnFatal = raise_fatal) -> None:
        self._settings = settings
        self._claims = claims
        self._on_fatal = on_fatal

    def list_parts(self) -> list[str]:
        try:
            return partition_names(self._claims.provisioned().partitions)
        except Fatal as fatal:
            self._on_fatal(fatal)

    def part_fn(self, item_key: str) -> int:
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _TotalsPartition:
        return _TotalsPartition(self._settings, self._claims, int(for_part), self._on_fatal)
