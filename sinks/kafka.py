"""Sends abandoned carts and rejected visits to Kafka: all of a cut or nothing, once, in order."""

import time

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from broker import offset_of
from claim import Claim, Claims
from failure import ExitCode, Fatal, OnFatal, raise_fatal
from operators.carts import OutputBatch
from operators.decode import Reject
from settings import Settings
from sinks.transaction import OutputTopics, OutputTransaction
from sources.kafka import partition_names


class _OutputPartition(StatefulSinkPartition[OutputBatch, None]):
    def __init__(self, settings: Settings, claims: Claims, partition: int, on_fatal: OnFatal) -> None:
        self._settings = settings
        self._claims = claims
        self._partition = partition
        self._on_fatal = on_fatal
        self._flush_interval_s = settings.flush_interval_ms / 1000
        self._claim: Claim | None = None
        self._carts: list[tuple[int, str]] = []
        self._rejects: list[Reject] = []
        self._end = 0  # buffered up to here
        self._sending: OutputTransaction | None = None
        self._sending_end = 0
        self._flushed_at = 0.0

    def write_batch(self, values: list[OutputBatch]) -> None:
        try:
            claim = self._claimed()
            for batch in values:
                self._buffer(claim, batch)
            asked = any(batch.begin == batch.end for batch in values)
            if asked or self._sending or time.monotonic() - self._flushed_at >= self._flush_interval_s:
                self._flush(claim)
        except Fatal as fatal:
            self._on_fatal(fatal)

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        if self._sending:  # never commits: Bytewax closes after an exception and on Ctrl-C too
            self._sending.abandon()

    def _claimed(self) -> Claim:
        if self._claim is None:
            self._claim = self._claims.of(self._partition)
            self._end = self._claim.start
        return self._claim

    def _buffer(self, claim: Claim, batch: OutputBatch) -> None:
        check_follows(batch.begin, self._end, self._partition)
        # What is there already is not sent again: each topic has its own tail, and drops only its own repeats.
        self._carts += [cart for cart in batch.carts if cart[0] > claim.carts_tail]
        self._rejects += [reject for reject in batch.rejects if offset_of(reject.message) > claim.rejects_tail]
        self._end = batch.end

    def _flush(self, claim: Claim) -> None:
        if self._sending is None and (self._carts or self._rejects):
            topics = OutputTopics(
                self._settings.visits_topic,
                self._settings.carts_topic,
                self._settings.rejected_topic,
                claim.provisioned.pipeline_id,
                claim.provisioned.topic_id,
            )
            outputs = (self._carts, self._rejects)
            self._sending = OutputTransaction(claim.producer, topics, self._partition, *outputs)
            self._sending_end = self._end
            self._carts, self._rejects = [], []
        if self._sending is None:
            claim.outputs = self._end  # a cut without outputs needs no transaction
        elif self._sending.advance():
            claim.outputs = self._sending_end
            self._sending = None
        self._flushed_at = time.monotonic()


def check_follows(begin: int, end: int, partition: int) -> None:
    """Check that a batch begins where the last one ended.

    :raises Fatal: batches of a partition came out of order; nothing of them is committed.
    """
    if begin != end:
        line = f"partition {partition}: a batch begins at offset {begin}, but {end} comes next; report this"
        raise Fatal(line, ExitCode.ABORTED)


class KafkaSink(FixedPartitionedSink[OutputBatch, None]):
    """Carts and rejects to their topics, in Kafka transactions.

    Items in: (partition name, OutputBatch). Unit of parallelism: the input's Kafka partition; outputs go to the
    partition of the same number. After a crash: the topics' own tails tell what is there already.
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

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _OutputPartition:
        return _OutputPartition(self._settings, self._claims, int(for_part), self._on_fatal)
