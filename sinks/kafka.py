"""Sends outputs, such as abandoned carts, and rejected visits to Kafka: all of a commit or nothing, once, in order."""

from collections.abc import Sequence

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from clients.kafka import offset_of
from operators.batches import OutputBatch
from operators.outputs import outputs_of
from partition.owner import PartitionOwner
from partition.ownership import OwnedPartition
from process import metrics
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
            lines={output.name: output.topic for output in outputs_of(settings)},
            rejected=settings.rejected_topic,
            pipeline_id=owned.pipeline.pipeline_id,
            topic_id=owned.pipeline.topic_id,
        )

    def commit(self, batches: Sequence[OutputBatch]) -> None:
        """Commit the lines and rejects of these batches in one Kafka transaction; without any there is none.

        What is in a topic already is not sent again: each topic has its own tail, and drops only its own repeats.

        :raises Fatal: Kafka refuses them, or does not take them within 60 s.
        :raises Cancelled: found every two seconds.
        """
        tails = self._owned.tails
        lines = {name: _lines_beyond(tail, name, batches) for name, tail in tails.lines.items()}
        rejects = [reject for batch in batches for reject in batch.rejects if offset_of(reject.message) > tails.rejects]
        if rejects or any(lines.values()):
            delivery = Delivery(self._owned.producer, self._topics, self._owned.partition, lines, rejects)
            with metrics.timed("kafka", len(rejects) + sum(map(len, lines.values()))):
                OutputTransaction(self._owned, delivery).run()


def _lines_beyond(tail: int, name: str, batches: Sequence[OutputBatch]) -> list[tuple[int, str]]:
    lines = [line for batch in batches for line in batch.lines.get(name, ())]
    return lines if batches[0].begin > tail else [line for line in lines if line[0] > tail]


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
    """Lines and rejects to their topics, in Kafka transactions.

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
