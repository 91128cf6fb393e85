"""The producer of a partition's outputs: whoever makes it fences every earlier one."""

import time
from collections.abc import Callable

from confluent_kafka import KafkaException, Producer

import broker
from settings import Settings

_LIMIT_S = 30.0
_STEP_S = 0.5


def fenced_producer(settings: Settings, partition: int, go_on: Callable[[], None] = lambda: None) -> Producer:
    """Return the producer of a partition's outputs; what an earlier one left open is aborted.

    `go_on` is called every half second, and ends the waiting by raising.

    :raises Fatal: Kafka is away or refuses.
    """
    transactional_id = f"{settings.carts_topic}-{partition}"  # never of the database: a copy of it must fence too
    own = {"transactional_id": transactional_id, "transaction_timeout_ms": 10_000, "enable_idempotence": True}
    own["delivery_report_only_error"] = True  # what arrived needs no call
    # retry.backoff.ms: at its default of 100 a begin right after a commit waits that long.
    quick = {"linger_ms": 5, "retry_backoff_ms": 5, "retry_backoff_max_ms": 1000, "compression_type": "zstd"}
    large = {"message_max_bytes": broker.MAX_MESSAGE_BYTES, "queue_buffering_max_messages": 1_000_000}
    with broker.translated(f"transactional.id {transactional_id!r}"):
        producer = Producer(broker.client_config(settings, tuning=quick, **own, **large))
        deadline = time.monotonic() + _LIMIT_S
        while True:
            try:
                producer.init_transactions(_STEP_S)
                return producer
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
            go_on()
