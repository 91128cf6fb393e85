"""Puts the outputs of one commit into a producer's queue, and collects what Kafka refuses."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clients import kafka
from clients.kafka import offset_of
from operators.visit import Reject
from partition.producer import transactional_id_of
from partition.tail import Origin
from process.errors import ExitCode, Fatal
from sinks.reject_record import Level, reject_record

STEP_S = 2.0
_QUEUE_FULL_S = 0.1


class OutputTopics(NamedTuple):
    """Where lines (by the outputs' names) and rejects go, and the topic and pipeline that they come from."""

    visits: str
    lines: Mapping[str, str]
    rejected: str
    pipeline_id: str
    topic_id: str


class Delivery:
    """The lines and rejects of one commit, for the output partitions of the same number.

    `failures` are the errors of deliveries; `too_large` is whether a reject was refused for its size: it is
    shortened, and the whole has to be sent again.
    """

    def __init__(
        self,
        producer: Producer,
        topics: OutputTopics,
        partition: int,
        lines: Mapping[str, Sequence[tuple[int, str]]],
        rejects: Sequence[Reject],
    ) -> None:
        self._producer = producer
        self._topics = topics
        self._partition = partition
        self._lines = lines
        self._rejects = rejects
        self._levels = [Level.WHOLE] * len(rejects)
        self.rewind()

    @property
    def transactional_id(self) -> str:
        """The producer's transactional.id."""
        return transactional_id_of(next(iter(self._topics.lines.values())), self._partition)

    def missing_topic(self) -> str | None:
        """Return the output topic that Kafka does not have; None if it has both, or does not answer."""
        for topic in (*self._topics.lines.values(), self._topics.rejected):
            try:
                described = self._producer.list_topics(topic, STEP_S).topics[topic]
            except KafkaException:
                return None
            if described.error and described.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return topic
        return None

    @property
    def where(self) -> str:
        """The outputs' place, for messages."""
        return f"outputs of topic {self._topics.visits!r} partition {self._partition}"

    def rewind(self) -> None:
        """Start over: nothing has been queued, nothing has failed."""
        prefix = str(self._origin(0)).removesuffix("0")  # formatted once: one visit in four is a cart
        self._unsent = {
            self._topics.lines[name]: [{"key": f"{prefix}{offset}", "value": line} for offset, line in lines]
            for name, lines in self._lines.items()
        }
        self._next_reject = 0
        self._too_small = ""
        self.failures: list[KafkaError] = []
        self.too_large = False

    def queue(self) -> bool:
        """Queue what is left, as far as the queue takes it; return whether there is nothing left.

        :raises KafkaException: the producer refuses.
        :raises Fatal: a message is refused for good.
        """
        return all(map(self._queue_lines, self._unsent)) and self._queue_rejects()

    def _origin(self, offset: int) -> Origin:
        return Origin(self._topics.pipeline_id, self._topics.topic_id, self._partition, offset)

    def _queue_lines(self, topic: str) -> bool:
        if self._unsent[topic]:
            self._unsent[topic] = self._refused(topic, self._unsent[topic])
        if self._unsent[topic]:
            self._producer.poll(_QUEUE_FULL_S)
        return not self._unsent[topic]

    def _refused(self, topic: str, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Queue lines; return those for which there was no room.

        `produce_batch` may take fewer than it was given and raise nothing: it marks the dictionaries of the others.
        """
        report = partial(self._on_line, topic)
        taken = self._producer.produce_batch(topic, given, partition=self._partition, on_delivery=report)
        if taken == len(given):
            return []
        refused = [line for line in given if "_error" in line]
        if len(given) - taken != len(refused):
            message = f"{self.where}: {taken} of {len(given)} lines queued, {len(refused)} refused"
            raise Fatal(message, ExitCode.ABORTED)
        for line in refused:
            error: Any = line.pop("_error")
            if error.code() != KafkaError._QUEUE_FULL:
                raise kafka.fatal_of(error, self.where)
        return refused

    def _queue_rejects(self) -> bool:
        while self._next_reject < len(self._rejects) and not self.too_large:
            index = self._next_reject
            try:
                self._produce_reject(index)
            except BufferError:
                self._producer.poll(_QUEUE_FULL_S)
                return False
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                self._shorten(index)
                continue
            self._next_reject += 1
            if self._levels[index] != Level.WHOLE and self._producer.flush(STEP_S):
                return False
        return True

    def _produce_reject(self, index: int) -> None:
        reject = self._rejects[index]
        origin = self._origin(offset_of(reject.message))
        self._producer.produce(
            self._topics.rejected,
            partition=self._partition,
            on_delivery=lambda error, _: self._on_reject(index, error),
            **reject_record(reject, self._levels[index], self._topics.visits, origin),
        )

    def too_large_message(self) -> str:
        """Return the message for lines that their topic refuses for the size of their batch."""
        return (
            f"{self.where}: topic {self._too_small!r} refuses a batch of lines for its size: its max.message.bytes "
            "was lowered; a restart sends smaller batches"
        )

    def _on_line(self, topic: str, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.failures.append(error)
            self._too_small = topic

    def _on_reject(self, index: int, error: KafkaError | None) -> None:
        if error is None:
            return
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self.too_large = True
            self._shorten(index)
        else:
            self.failures.append(error)

    def _shorten(self, index: int) -> None:
        if self._levels[index] == Level.BARE:
            offset = offset_of(self._rejects[index].message)
            message = f"{self.where}: topic {self._topics.rejected!r} refuses even the head of offset {offset}"
            raise Fatal(message, ExitCode.ABORTED)
        self._levels[index] = Level(self._levels[index] + 1)
