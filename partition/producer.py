"""Transactional producers, such as that of a partition's outputs: a new one fences every earlier one."""

from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from clients import kafka, kafka_config
from operators.outputs import output_topics, outputs_of
from process.cancellation import Cancellation
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.TRANSACTION_COORDINATOR_FENCED,
    }
)
"""The errors of a producer whose transactional.id was taken by another one, or whose transaction timed out."""

BATCH_BYTES = 1_000_000  # librdkafka's default
TRANSACTION_TIMEOUT_S = 10.0  # Kafka ends a transaction that is open for longer
_LARGEST_LINE_BYTES = 1024  # a batch of one line: 81 bytes of key, two names of 64 characters, and Kafka's own
_LIMIT_S = 30.0
_STEP_S = 0.5


def largest_batch(settings: Settings, admin: AdminClient) -> int:
    """Return the bytes of a batch that all output topics take.

    :raises Fatal: Kafka is unavailable or refuses, or an output's topic does not take every line.
    """
    largest = {topic: kafka.largest_batch(admin, topic) for topic in output_topics(settings)}
    for topic in (output.topic for output in outputs_of(settings)):
        if largest[topic] < _LARGEST_LINE_BYTES:
            message = (
                f"topic {topic!r} has max.message.bytes={largest[topic]}, but a line can have "
                f"{_LARGEST_LINE_BYTES}; raise it: kafka-configs --alter --topic {topic} "
                "--add-config max.message.bytes=1048588"
            )
            raise Fatal(message, ExitCode.CONFIG)
    return min(largest.values())


def fenced_producer(
    settings: Settings, partition: int, cancellation: Cancellation | None = None, *, largest_batch: int = BATCH_BYTES
) -> Producer:
    """Return the producer of a partition's outputs; a transaction that an earlier one left open is aborted.

    Its batches have `largest_batch` bytes at most, before compression, or one message: a topic refuses a batch
    beyond its max.message.bytes, and every message in it.

    :raises Fatal: Kafka is unavailable or refuses.
    :raises Cancelled: found every half second.
    """
    size = {"batch.size": _batch_size(settings, largest_batch)}
    transactional_id = transactional_id_of(outputs_of(settings)[0].topic, partition)
    return transactional_producer(settings, transactional_id, limit_s=_LIMIT_S, cancellation=cancellation, **size)


def transactional_id_of(first_topic: str, partition: int) -> str:
    """Return the transactional.id of a partition's outputs: never of the database, a copy of it must fence too."""
    return f"{first_topic}-{partition}"


def _batch_size(settings: Settings, largest_batch: int) -> int | str:
    size = settings.kafka_config.get("batch.size", str(BATCH_BYTES))
    return min(int(size), largest_batch) if size.isdecimal() else size  # what is no number librdkafka refuses


def _connect(producer: Producer, settings: Settings) -> None:
    """Wait until a broker is connected: init_transactions, where none is, waits for a timer of 500 ms.

    The first answer comes by the connection to KAFKA_BOOTSTRAP_SERVERS, which librdkafka then closes; the second by
    one that stays.
    """
    with suppress(KafkaException):  # init_transactions reports what is wrong
        for topic in output_topics(settings):
            producer.list_topics(topic, _STEP_S)


def transactional_producer(
    settings: Settings,
    transactional_id: str,
    *,
    limit_s: float,
    cancellation: Cancellation | None = None,
    **more: Any,
) -> Producer:
    """Return the one producer of a transactional.id, made within `limit_s`; `more` is passed to confluent-kafka.

    :raises Fatal: Kafka is unavailable or refuses.
    :raises Cancelled: found every half second.
    """
    own: dict[str, Any] = {"transactional_id": transactional_id, "enable_idempotence": True}
    own["transaction_timeout_ms"] = int(TRANSACTION_TIMEOUT_S * 1000)
    own["delivery_report_only_error"] = True  # what was delivered needs no call
    # retry.backoff.ms: at its default of 100 a begin right after a commit waits that long.
    quick = {"linger_ms": 5, "retry_backoff_ms": 5, "retry_backoff_max_ms": 1000, "compression_type": "zstd"}
    large = {"message_max_bytes": kafka.MAX_MESSAGE_BYTES, "queue_buffering_max_messages": 1_000_000}
    cancellation = cancellation or Cancellation()
    with kafka.translated(f"transactional.id {transactional_id!r}"):
        configuration = kafka_config.client_config(settings, quick, **own, **large) | more
        producer = kafka_config.created(Producer, settings, configuration)
        deadline = Deadline(limit_s)
        while True:
            _connect(producer, settings)
            try:
                producer.init_transactions(_STEP_S)
                return producer
            except KafkaException as error:
                if not error.args[0].retriable() or deadline.passed:
                    raise
            cancellation.check()
