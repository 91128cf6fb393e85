"""Adds sums to MariaDB and moves the position on with them, in one transaction."""

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any, NamedTuple

import msgspec

from clients import mariadb
from clients.mariadb import ConnectionLost, Transient
from operators.windows import Amount, Board, SumBatch, add_to, parts_of
from partition.ownership import Claim, Claims
from process.errors import ExitCode, Fatal, OnFatal
from settings import Settings
from sinks.partition import CutPartition, PartitionedSink

logger = logging.getLogger(__name__)

LIMIT_S = 90.0
_ROWS_AT_ONCE = 20_000  # a row takes up to 300 bytes of JSON: below max_allowed_packet's default of 16 MiB
_LONGEST_PAUSE_S = 2.0
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - DATETIME columns carry no zone; the project's are UTC


class _Cut(NamedTuple):
    """What one transaction commits: the batches from `begin` to `end`, merged."""

    begin: int
    end: int
    batches: int
    counts: tuple[Any, ...]
    sums: dict[Board, dict[str, Amount]]


class _Patience:
    """When to try again, and when to stop: pauses double from 50 ms to 2 s, with jitter, for 90 s in all."""

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
            raise mariadb.away(error) from error
        pause_s = min(_LONGEST_PAUSE_S, 0.05 * 2**self._failures) * random.uniform(0.5, 1.0)  # noqa: S311
        self._failures += 1
        self._not_before = now + pause_s
        logger.warning("%s; trying again in %d ms", error, pause_s * 1000, extra={"action": "mariadb_retry"})

    def succeeded(self) -> None:
        self._failures = 0


class _TotalsPartition(CutPartition[SumBatch]):
    def __init__(
        self, settings: Settings, claims: Claims, pool: ThreadPoolExecutor, partition: int, on_fatal: OnFatal
    ) -> None:
        super().__init__(settings, claims, pool, partition, on_fatal)
        self._waiting: deque[SumBatch] = deque()
        self._cut: _Cut | None = None
        self._patience = _Patience()

    def close(self) -> None:
        """Do nothing: the claim's connection is the source's to close, and closing it rolls back."""

    def _take(self, claim: Claim, batch: SumBatch) -> None:
        if batch.end > batch.begin:
            self._waiting.append(batch)

    def _begin(self, claim: Claim) -> Callable[[], int] | None:
        if not self._patience.ready:
            return None
        # A cut stays as it is until it is known to be committed: what was sent once is sent again or not.
        self._cut = self._cut or _merged(_ready(self._waiting, claim.outputs))
        if self._cut or claim.connection.lost or claim.connection.silent:
            return partial(_commit, claim, self._cut)
        return None

    def _settle(self, claim: Claim, job: "Future[Any]") -> None:
        try:
            claim.totals = job.result()
        except (ConnectionLost, Transient) as error:
            self._patience.failed(error)
            return
        self._patience.succeeded()
        if self._cut and self._cut.end == claim.totals:
            for _ in range(self._cut.batches):
                self._waiting.popleft()
        self._cut = None


def _ready(waiting: Iterable[SumBatch], outputs: int) -> list[SumBatch]:
    """Return the batches whose outputs are committed: the database goes no further than Kafka."""
    return list(takewhile(lambda batch: batch.end <= outputs, waiting))


def _merged(batches: list[SumBatch]) -> _Cut | None:
    if not batches:
        return None
    sums: dict[Board, dict[str, Amount]] = {}
    for batch in batches:
        for board, entries in batch.sums.items():
            add_to(sums, board, entries)
    visits = sum(batch.visits for batch in batches)
    rejected = sum(batch.rejected for batch in batches)
    timestamps = (batch.max_timestamp for batch in batches if batch.max_timestamp is not None)
    latest = _date_of(max(timestamps, default=None))
    counts = (visits + rejected, visits, rejected, latest, latest)
    return _Cut(batches[0].begin, batches[-1].end, len(batches), counts, sums)


def _commit(claim: Claim, cut: _Cut | None) -> int:
    """Commit a cut, or keep the connection alive; return where the database stands then.

    :raises ConnectionLost: nobody knows yet whether it was committed.
    :raises Transient: it was rolled back.
    """
    connection = claim.connection
    with connection.in_use:
        if connection.ended:
            return claim.totals
        if connection.lost:
            position = _reconnected(claim, cut)
            if position != claim.totals:
                return position
        if cut is None:
            connection.say_something()
            return claim.totals
        try:
            _write(claim, cut)
        except Transient:
            connection.rollback()
            raise
        return cut.end


def _write(claim: Claim, cut: _Cut) -> None:
    connection = claim.connection
    row = (claim.provisioned.topic_id, claim.partition, cut.begin)
    if connection.execute("advance_progress", (cut.end, *cut.counts, *row)) != 1:
        raise _moved(claim, connection.position_now(), cut)
    for document in _documents(cut.sums):
        connection.execute("add_totals", (document,))
    connection.commit()


def _reconnected(claim: Claim, cut: _Cut | None) -> int:
    """Lock again, then see on which side of the last commit the connection was lost."""
    try:
        claim.connection.open(wait_s=1)
    except Fatal as fatal:
        if fatal.code != ExitCode.HELD:
            raise
        # After a cut network the server still holds our own old connection, and its lock, for up to wait_timeout.
        claim.connection.close()
        raise ConnectionLost(fatal.message) from fatal
    position = claim.connection.position()
    if position != claim.totals and (cut is None or position != cut.end):
        raise _moved(claim, position, cut)
    logger.info("%s: connected again", claim.connection.where, extra={"action": "reconnected"})
    return position


def _moved(claim: Claim, position: int, cut: _Cut | None) -> Fatal:
    expected = f"{claim.totals} or {cut.end}" if cut else str(claim.totals)
    message = (
        f"{claim.connection.where}: progress stands at offset {position}, but {expected} was expected: another "
        "dataflow has written, or the database went back; starting again goes on where it stands"
    )
    return Fatal(message, ExitCode.ABORTED)


def _date_of(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else _EPOCH + timedelta(microseconds=round(timestamp * 1_000_000))


def _documents(sums: dict[Board, dict[str, Amount]]) -> Iterator[str]:
    """Yield the rows as JSON, in key order: connections that lock in one order never wait in a circle."""
    document: list[dict[str, Any]] = []
    rows = 0
    for (length_s, start, board), entries in sorted(sums.items()):
        amounts = [(entry, *parts_of(amount)) for entry, amount in sorted(entries.items())]
        for begin in range(0, len(amounts), _ROWS_AT_ONCE):
            part = amounts[begin : begin + _ROWS_AT_ONCE]
            document.append({"l": length_s, "w": str(_date_of(start)), "b": board, "e": part})
            rows += len(part)
            if rows >= _ROWS_AT_ONCE:
                yield msgspec.json.encode(document).decode()
                document, rows = [], 0
    if document:
        yield msgspec.json.encode(document).decode()


class MariaDBSink(PartitionedSink[SumBatch]):
    """Totals and positions to MariaDB.

    Items in: (partition name, SumBatch). Unit of parallelism: the input's Kafka partition, with a connection of
    its own. After a crash: progress.next_offset is where its totals end, for both are one transaction.
    """

    _jobs_at_once = 4

    def _partition(self, pool: ThreadPoolExecutor, partition: int) -> _TotalsPartition:
        return _TotalsPartition(self._settings, self._claims, pool, partition, self._on_fatal)
