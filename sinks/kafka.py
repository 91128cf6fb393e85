"""Sends abandoned carts and rejected visits to Kafka: all of a cut or nothing, once, in order."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from clients.kafka import offset_of
from operators.carts import OutputBatch
from operators.decode import Reject
from partition.ownership import Claim, Claims
from process.errors import OnFatal
from settings import Settings
from sinks.partition import CutPartition, PartitionedSink
from sinks.transaction import OutputTopics, OutputTransaction


class _OutputPartition(CutPartition[OutputBatch]):
    def __init__(
        self, settings: Settings, claims: Claims, pool: ThreadPoolExecutor, partition: int, on_fatal: OnFatal
    ) -> None:
        super().__init__(settings, claims, pool, partition, on_fatal)
        self._carts: list[tuple[int, str]] = []
        self._rejects: list[Reject] = []
        self._sending: OutputTransaction | None = None
        self._sending_end = 0

    def close(self) -> None:
        """Commit nothing: Bytewax closes after an exception and on Ctrl-C too. What runs, the next claim fences."""
        if self._sending and (self._job is None or self._job.cancel() or self._job.done()):
            self._sending.abandon()

    def _take(self, claim: Claim, batch: OutputBatch) -> None:
        # What is there already is not sent again: each topic has its own tail, and drops only its own repeats.
        self._carts += [cart for cart in batch.carts if cart[0] > claim.carts_tail]
        self._rejects += [reject for reject in batch.rejects if offset_of(reject.message) > claim.rejects_tail]

    def _begin(self, claim: Claim) -> Callable[[], bool] | None:
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
            return None
        return self._sending.advance

    def _settle(self, claim: Claim, job: "Future[Any]") -> None:
        if job.result():
            claim.outputs = self._sending_end
            self._sending = None


class KafkaSink(PartitionedSink[OutputBatch]):
    """Carts and rejects to their topics, in Kafka transactions.

    Items in: (partition name, OutputBatch). Unit of parallelism: the input's Kafka partition; outputs go to the
    partition of the same number. After a crash: the topics' own tails tell what is there already.
    """

    _jobs_at_once = 8

    def _partition(self, pool: ThreadPoolExecutor, partition: int) -> _OutputPartition:
        return _OutputPartition(self._settings, self._claims, pool, partition, self._on_fatal)
