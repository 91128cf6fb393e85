"""Puts the outputs of one commit into a producer's queue, and collects what Kafka refuses."""

from collections.abc import Sequence
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
    """Where carts and rejects go, and the topic and pipeline that they come from."""

    visits: str
    carts: str
    rejected: str
    pipeline_id: str
    topic_id: str


class Delivery:
    """The carts and rejects of one commit, for the output partitions of the same number.

    `failures` are the errors of deliveries; `too_large` is whether a reject was refused for its size: it is
    shortened, and the whole has to be sent again.
    """

    def __init__(
        self,
        producer: Producer,
        topics: OutputTopics,
        partition: int,
        carts: Sequence[tuple[int, str]],
        rejects: Sequence[Reject],
    ) -> None:
        self._producer = producer
        self._topics = topics
        self._partition = partition
        self._carts = carts
        self._rejects = rejects
        self._levels = [Level.WHOLE] * len(rejects)
        self.rewind()

    @property
    def transactional_id(self) -> str:
        """The producer's transactional.id."""
        return transactional_id_of(self._topics.carts, self._partition)

    def missing_topic(self) -> str | None:
        """Return the output topic that Kafka does not have; None if it has both, or does not answer."""
        for topic in (self._topics.carts, self._topics.rejected):
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
        self._unsent_carts = [{"key": f"{prefix}{offset}", "value": line} for offset, line in self._carts]
        self._next_reject = 0
        self.failures: list[KafkaError] = []
        self.too_large = False

    def queue(self) -> bool:
        """Queue what is left, as far as the queue takes it; return whether there is nothing left.

        :raises KafkaException: the producer refuses.
        :raises Fatal: a message is refused for good.
        """
        return self._queue_carts() and self._queue_rejects()

    def _origin(self, offset: int) -> Origin:
        return Origin(self._topics.pipeline_id, self._topics.topic_id, self._partition, offset)

    def _queue_carts(self) -> bool:
        if self._unsent_carts:
            self._unsent_carts = self._refused_carts()
        if self._unsent_carts:
            self._producer.poll(_QUEUE_FULL_S)
        return not self._unsent_carts

    def _refused_carts(self) -> list[dict[str, Any]]:
        """Queue the carts; return those for which there was no room.

        `produce_batch` may take fewer than it was given and raise nothing: it marks the dictionaries of the others.
        """
        given = self._unsent_carts
        taken = self._producer.produce_batch(
            self._topics.carts, given, partition=self._partition, on_delivery=self._on_cart
        )
        if taken == len(given):
            return []
        refused = [cart for cart in given if "_error" in cart]
        if len(given) - taken != len(refused):
            message = f"{self.where}: {taken} of {len(given)} carts queued, {len(refused)} refused"
            raise Fatal(message, ExitCode.ABORTED)
        for cart in refused:
            error: Any = cart.pop("_error")
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
        """Return the message for carts that their topic refuses for the size of their batch."""
        return (
            f"{self.where}: topic {self._topics.carts!r} refuses a batch of carts for its size: its max.message.bytes "
            "was lowered; a restart sends smaller batches"
        )

    def _on_cart(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.failures.append(error)

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
