"""Visits into Kafka at a steady rate, and when and where each of them went."""

import time
from collections.abc import Sequence
from functools import partial
from itertools import cycle
from typing import NamedTuple

from confluent_kafka import KafkaError, Message
from confluent_kafka import Producer as Client

from clients import kafka, kafka_config
from process.errors import ExitCode, Fatal
from settings import Settings

_TICK_S = 0.001
_ANSWER_S = 30.0


class Sent(NamedTuple):
    """A visit's place in Kafka, and the monotonic time just before it was produced, seconds."""

    partition: int
    offset: int
    produced_s: float


class Sending(NamedTuple):
    """What was sent at one rate, and the longest time for which a visit was due before it was produced, seconds."""

    sent: list[Sent]
    behind_s: float


class Producer:
    """An idempotent producer without linger; the partitions take turns.

    :raises Fatal: a KAFKA_CONFIG_* variable is wrong.
    """

    def __init__(self, settings: Settings, partitions: int) -> None:
        prompt = {"linger_ms": 0, "socket_nagle_disable": True}
        large = {"queue_buffering_max_messages": 10_000_000}
        with kafka.translated("KAFKA_CONFIG_*"):
            configuration = kafka_config.client_config(settings, prompt, enable_idempotence=True, **large)
            self._client = kafka_config.created(Client, settings, configuration)
        self._topic = settings.visits_topic
        self._partitions = cycle(range(partitions))
        self._sent: list[Sent] = []

    def send(self, values: Sequence[bytes], rate: float) -> Sending:
        """Produce each value when it is due; return when Kafka has acknowledged all of them.

        :raises Fatal: it has not.
        """
        self._sent = []
        behind_s = self._produce_when_due(values, rate)
        self._client.flush(_ANSWER_S)
        if len(self._sent) < len(values):
            message = f"of {len(values)} visits Kafka has acknowledged {len(self._sent)}: try again"
            raise Fatal(message, ExitCode.ABORTED)
        return Sending(self._sent, behind_s)

    def _produce_when_due(self, values: Sequence[bytes], rate: float) -> float:
        """Produce value n at n / rate seconds, in ticks of a millisecond."""
        begun, number, behind_s = time.monotonic(), 0, 0.0
        while number < len(values):
            elapsed_s = time.monotonic() - begun
            behind_s = max(behind_s, elapsed_s - number / rate)
            due = min(len(values), int(elapsed_s * rate) + 1)
            for value in values[number:due]:
                self._produce(value)
            number = due
            self._client.poll(0)
            time.sleep(max(_TICK_S, number / rate - elapsed_s))
        return behind_s

    def _produce(self, value: bytes) -> None:
        partition = next(self._partitions)
        report = partial(self._on_report, partition, time.monotonic())
        self._client.produce(self._topic, value, partition=partition, on_delivery=report)

    def _on_report(self, partition: int, produced_s: float, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._sent.append(Sent(partition, kafka.offset_of(message), produced_s))
