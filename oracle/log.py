"""A topic, read partition by partition from an offset to an offset."""

import time
from collections.abc import Generator
from typing import NamedTuple

from confluent_kafka import Consumer, IsolationLevel, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from clients.kafka_config import client_config, created
from oracle import kafka
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

STALLED_S = 30.0
SETTLED_S = 60.0
_RECORDS = 5_000


Record = tuple[int, Message]
"""A record and its offset."""


class Extent(NamedTuple):
    """A partition's first offset and the end of its committed records."""

    start: int
    end: int


def extents(admin: AdminClient, topic: str, partitions: int, *, settled: bool) -> list[Extent]:
    """Return each partition's extent; `settled` waits for the transactions that are open at the call.

    Kafka acknowledges a commit before the records are visible: without waiting the last ones would seem missing.

    :raises Fatal: Kafka cannot be reached, or a transaction stays open.
    """
    numbers = range(partitions)
    written = kafka.offsets(admin, topic, numbers, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)
    deadline = Deadline(SETTLED_S)
    while True:
        ends = kafka.offsets(admin, topic, numbers, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)
        open_in = [partition for partition in numbers if ends[partition] < written[partition]]
        if not open_in or not settled:
            break
        if deadline.passed:
            message = f"topic {topic!r}: a transaction in partition {open_in[0]} has been open for {SETTLED_S:g} s"
            raise Fatal(f"{message}; end its producer, then verify again", ExitCode.UNAVAILABLE)
        time.sleep(0.05)
    starts = kafka.offsets(admin, topic, numbers, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)
    return [Extent(starts[partition], ends[partition]) for partition in numbers]


class Reader:
    """Reads one topic, partition by partition, as a read_committed consumer sees it."""

    def __init__(self, settings: Settings, topic: str) -> None:
        """Nothing is sent yet.

        :raises Fatal: a KAFKA_CONFIG_* variable is wrong.
        """
        own = {"group_id": f"{settings.kafka_group_id}-verify", "enable_auto_commit": False}
        exact = {"isolation_level": "read_committed", "auto_offset_reset": "error", "enable_partition_eof": True}
        # A partition's end is known when a fetch returns empty: by default the broker holds it back for 500 ms.
        bounded = {"queued_max_messages_kbytes": 32_768, "fetch_queue_backoff_ms": 2, "fetch_wait_max_ms": 10}
        self.topic, self._servers = topic, settings.kafka_bootstrap_servers
        with kafka.translated("KAFKA_CONFIG_*"):
            configuration = client_config(settings, bounded, check_crcs=True, **own, **exact)
            self._consumer = created(Consumer, settings, configuration)

    def records(self, partition: int, extent: Extent) -> Generator[Record]:
        """Yield the committed records from `extent.start` up to, not including, `extent.end`.

        The records of one partition only: to begin another ends this one.

        :raises Fatal: Kafka sends nothing for 30 s, or the offset no longer exists.
        """
        if extent.start >= extent.end:
            return
        doing = f"topic {self.topic!r} partition {partition}"
        with kafka.translated(doing):
            self._consumer.assign([TopicPartition(self.topic, partition, extent.start)])
            while True:
                for message in self._fetched(doing):
                    error = message.error()
                    if error and error.code() != KafkaError._PARTITION_EOF:
                        raise _unreadable(error, doing)
                    offset = message.offset()
                    if offset is None or offset >= extent.end:
                        return
                    if not error:
                        yield offset, message
                    if offset == extent.end - 1:
                        return

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _fetched(self, doing: str) -> list[Message]:
        deadline = Deadline(STALLED_S)
        while not deadline.passed:
            first = self._consumer.poll(1.0)
            if first is not None:
                return [first, *self._consumer.consume(_RECORDS, 0)]
        message = f"{doing}: nothing received for {STALLED_S:g} s; is Kafka at {self._servers} running?"
        raise Fatal(message, ExitCode.UNAVAILABLE)


def _unreadable(error: KafkaError, doing: str) -> Fatal:
    if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
        message = f"{doing}: the log's head was deleted while it was read ({error.str()}); verify again"
        return Fatal(message, ExitCode.UNAVAILABLE)
    return kafka.fatal_of(error, doing)
