"""Sends abandoned carts and rejected visits to Kafka: all of a commit or nothing, once, in order."""

from collections.abc import Sequence

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from clients.kafka import offset_of
from operators.batches import OutputBatch
from partition.owner import PartitionOwner
from partition.ownership import OwnedPartition
from process.errors import Fatal
from settings import Settings
from sinks.delivery import Delivery, OutputTopics
from sinks.transaction import OutputTransaction


class OutputsWriter:
    """Commits the outputs of one owned partition, into the partitions of the same number."""

    def __init__(self, settings: Settings, owned: OwnedPartition) -> None:
        self._owned = owned
        self._topics = OutputTopics(
            visits=settings.visits_topic,
            carts=settings.carts_topic,
            rejected=settings.rejected_topic,
            pipeline_id=owned.pipeline.pipeline_id,
            topic_id=owned.pipeline.topic_id,
        )

    def commit(self, batches: Sequence[OutputBatch]) -> None:
        """Commit the carts and rejects of these batches in one Kafka transaction; without any there is none.

        What is in a topic already is not sent again: each topic has its own tail, and drops only its own repeats.

        :raises Fatal: Kafka refuses them, or does not take them within 60 s.
        :raises Cancelled: found every two seconds.
        """
        tails = self._owned.tails
        carts = [cart for batch in batches for cart in _carts_beyond(tails.carts, batch)]
        rejects = [reject for batch in batches for reject in batch.rejects if offset_of(reject.message) > tails.rejects]
        if carts or rejects:
            delivery = Delivery(self._owned.producer, self._topics, self._owned.partition, carts, rejects)
            OutputTransaction(self._owned, delivery).run()


def _carts_beyond(offset: int, batch: OutputBatch) -> Sequence[tuple[int, str]]:
    if batch.begin > offset:
        return batch.carts
    return [cart for cart in batch.carts if cart[0] > offset]


class _OutputsPartition(StatefulSinkPartition[OutputBatch, None]):
    """Hands the outputs of one partition to its committer, which has an `OutputsWriter`."""

    def __init__(self, owner: PartitionOwner, partition: int) -> None:
        self._owner = owner
        self._partition = partition

    def write_batch(self, values: list[OutputBatch]) -> None:
        try:
            committer = self._owner.of(self._partition)
            for batch in values:
                committer.add_outputs(batch)
        except Fatal as fatal:
            self._owner.on_fatal(fatal)

    def snapshot(self) -> None:
        return None  # the topics themselves show what they hold

    def close(self) -> None:
        """Commit nothing: Bytewax also closes after an exception and on Ctrl-C. The source stops the committer."""


class KafkaSink(FixedPartitionedSink[OutputBatch, None]):
    """Carts and rejects to their topics, in Kafka transactions.

    Items in: (partition name, OutputBatch). Unit of parallelism: the input's Kafka partition. After a crash: the
    topics' tails show what is there already.
    """

    def __init__(self, settings: Settings, owner: PartitionOwner) -> None:
        self._owner = owner
        owner.outputs = lambda owned: OutputsWriter(settings, owned)

    def list_parts(self) -> list[str]:
        return self._owner.partition_names()

    def part_fn(self, item_key: str) -> int:
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _OutputsPartition:
        return _OutputsPartition(self._owner, int(for_part))
