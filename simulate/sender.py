"""Messages into Kafka: each exactly once and in order within its partition, also across outages of Kafka."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple
from zlib import crc32

from confluent_kafka import KafkaError, Message, Producer

from clients.kafka import Topic, admin_client, describe, translated
from clients.kafka_config import client_config, created
from process.errors import ExitCode, Fatal
from process.signals import Stop
from settings import Settings
from simulate.chunk import Chunk, Positions, at

QUEUE_MESSAGES = 200_000

_NEVER_WRITTEN = frozenset(
    {
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.INVALID_RECORD,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.POLICY_VIOLATION,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""After these errors a message is not in the log; after any other error it may be. _PURGE_QUEUE is not among them:
a message that was sent returns to the queue when its connection is lost before the acknowledgement."""


class Failure(NamedTuple):
    """A message that was not acknowledged; `unknown` when it may still be in the log."""

    partition: int
    value: bytes | None
    error: str
    unknown: bool


def topic_of(settings: Settings) -> Topic:
    """Return the topic of the visits as Kafka describes it.

    :raises Fatal: Kafka is unavailable or refuses, or there is no such topic.
    """
    topic = describe(admin_client(settings), settings, [settings.visits_topic])[settings.visits_topic]
    if topic is None:
        message = f"VISITS_TOPIC: Kafka has no topic {settings.visits_topic!r}: run python -m ops provision"
        raise Fatal(message, ExitCode.CONFIG)
    return topic


def partitioned(chunk: Chunk, partitions: int) -> list[Positions]:
    """Return, for each partition, the positions of its messages in the chunk.

    Without keys messages are distributed round-robin; with them a key always goes to the same partition, by
    CRC-32 as in librdkafka.
    """
    if chunk.keys is None:
        number = len(chunk.values)
        return [range((partition - chunk.first) % partitions, number, partitions) for partition in range(partitions)]
    by_partition: list[list[int]] = [[] for _ in range(partitions)]
    of_key = {key: crc32(key or b"") % partitions for key in set(chunk.keys)}
    for position, key in enumerate(chunk.keys):
        by_partition[of_key[key]].append(position)
    return list(by_partition)


_DEFAULTS = {
    "batch.size": 1_000_000,
    "compression.type": "lz4",
    "linger.ms": 20,
    "message.timeout.ms": 300_000,
    "queue.buffering.max.messages": QUEUE_MESSAGES,
}
"""What KAFKA_CONFIG_* may change. Kafka may be unavailable for message.timeout.ms before a delivery fails."""


class Sender:
    """An idempotent producer that reports failures alone: all other messages that left its queue are acknowledged.

    So an acknowledged message costs no Python call: on one core 1.3 µs each, instead of 2.1 with reports.

    :raises Fatal: a KAFKA_CONFIG_* variable is wrong.
    """

    def __init__(self, settings: Settings, topic: Topic) -> None:
        self._topic = topic
        self._refused = 0
        self._acknowledged_before = 0
        self.queued = 0
        self.failures: list[Failure] = []
        self.waited_s = 0.0
        self.last_error: str | None = None
        config: dict[str, Any] = _DEFAULTS | client_config(settings, acks="all", enable_idempotence=True)
        config |= {"delivery.report.only.error": True, "error_cb": self._on_error}
        with translated("KAFKA_CONFIG_*"):
            self._producer = created(Producer, settings, config)

    @property
    def in_flight(self) -> int:
        """How many messages are neither acknowledged nor failed yet, or a little more: undelivered errors count too."""
        return len(self._producer)

    @property
    def acknowledged(self) -> int:
        """How many messages Kafka has acknowledged so far, at least, as of the last call of `poll`."""
        return self.delivered - self.in_flight

    @property
    def delivered(self) -> int:
        """How many messages Kafka has acknowledged in the end, when nothing is in flight any more."""
        return self.queued - len(self.failures) + self._refused

    def send(self, chunk: Chunk, stop: Stop, waiting: Callable[[], None]) -> list[Positions]:
        """Queue a chunk, waiting for room; return the positions that were queued, by partition.

        These are all, unless a stop was requested or a delivery failed while the queue was full. As long as it is
        full, `waiting` is called repeatedly.
        """
        queued: list[Positions] = []
        for partition, positions in enumerate(partitioned(chunk, self._topic.partitions)):
            messages: list[dict[str, Any]] = [{"value": value} for value in at(chunk.values, positions)]
            if chunk.keys is not None:
                for message, key in zip(messages, at(chunk.keys, positions), strict=True):
                    message["key"] = key
            queued.append(positions[: self._queue(partition, messages, stop, waiting)])
        self.poll(0)
        return queued

    def poll(self, timeout_s: float) -> None:
        """Take delivery reports, waiting for the first one at most this long."""
        self._producer.poll(timeout_s)
        acknowledged = self.acknowledged
        if acknowledged > self._acknowledged_before:
            self._acknowledged_before = acknowledged
            self.last_error = None

    def purge(self) -> None:
        """Fail what is in flight: what has been sent already may be in the log, and counts as unknown."""
        self._producer.purge()

    def _queue(self, partition: int, messages: list[dict[str, Any]], stop: Stop, waiting: Callable[[], None]) -> int:
        """Queue messages in order; return how many are queued, or refused permanently."""
        rest = messages
        while rest:
            taken = self._producer.produce_batch(
                self._topic.name, rest, partition=partition, on_delivery=self._on_failure
            )
            self.queued += taken
            rest = self._without_room(partition, rest) if taken < len(rest) else []
            if rest:
                begun = time.monotonic()
                self.poll(0.05)
                self.waited_s += time.monotonic() - begun
                waiting()
                if stop.is_set() or self.failures:
                    break
        return len(messages) - len(rest)

    def _without_room(self, partition: int, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages that the full queue did not accept: always the last ones."""
        rest = []
        for message in messages:
            error = message.pop("_error", None)
            if error is None:
                continue
            if error.code() == KafkaError._QUEUE_FULL:
                rest.append(message)
            else:
                self._refused += 1
                self.failures.append(Failure(partition, message["value"], error.str(), unknown=False))
        return rest

    def _on_failure(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        unknown = error.code() not in _NEVER_WRITTEN
        partition = message.partition()
        self.failures.append(Failure(-1 if partition is None else partition, message.value(), error.str(), unknown))

    def _on_error(self, error: KafkaError) -> None:
        self.last_error = error.str()
