"""Consumers that read the tails: one for each thread that takes ownership, whatever the number of partitions."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer

from clients import kafka, kafka_config
from operators.outputs import output_topics
from settings import Settings


def tail_consumer(settings: Settings, isolation_level: str) -> Consumer:
    """Return a consumer that reads what it is assigned, and commits no offset.

    :raises Fatal: a KAFKA_CONFIG_* variable is wrong.
    """
    own = {"group_id": settings.kafka_group_id, "enable_auto_commit": False, "enable_partition_eof": True}
    exact = {"isolation_level": isolation_level, "auto_offset_reset": "error", "client_rack": ""}
    quick = {"fetch_wait_max_ms": 10, "queued_max_messages_kbytes": 16_384}
    with kafka.translated("reading the output topics"):
        configuration = kafka_config.client_config(settings, quick, **own, **exact)
        return kafka_config.created(Consumer, settings, configuration)


class TailConsumers:
    """Consumers of one process: borrowed, one partition after another; a new one only where none is free.

    A client is three threads and two connections: with one for each of 64 partitions, starting took twice as long.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free: deque[Consumer] = deque()

    @contextmanager
    def borrowed(self) -> Iterator[Consumer]:
        """Yield a read_committed consumer that knows the leaders of our topics; one that failed is closed.

        :raises Fatal: Kafka is unavailable or refuses.
        """
        consumer = self._free.pop() if self._free else self._new()
        try:
            yield consumer
        except BaseException:
            consumer.close()
            raise
        consumer.unassign()
        self._free.append(consumer)

    def close(self) -> None:
        """Close the consumers that are free."""
        while self._free:
            self._free.pop().close()

    def _new(self) -> Consumer:
        consumer = tail_consumer(self._settings, "read_committed")
        topics = (*output_topics(self._settings), self._settings.visits_topic)
        with kafka.translated("reading the output topics"):
            for topic in topics:
                # a partition assigned before its leader is known waits for a timer of 1 s
                consumer.list_topics(topic, kafka_config.REQUEST_TIMEOUT_S)
        return consumer
