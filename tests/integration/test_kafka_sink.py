"""The Kafka sink: carts and rejects of a commit in one transaction, once each, fenced by another owner."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition

from clients import kafka, kafka_config
from operators.batches import OutputBatch, SumBatch
from operators.visit import Reason, Reject, Rejection
from ops.servers import Servers
from partition.ownership import OwnedPartition
from process.cancellation import Cancelled
from process.errors import ExitCode, Fatal
from settings import Settings
from sinks.delivery import Delivery, OutputTopics
from sinks.kafka import KafkaSink
from sinks.transaction import OutputTransaction
from tests.integration.parts import DEADLINE_S, NAME, SinkPart, owned, owner_of
from tests.support import ends, read_committed
from tests.unit.samples import message

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")


def batch(
    begin: int, end: int, *, carts: dict[int, str] | None = None, rejects: dict[int, bytes] | None = None
) -> OutputBatch:
    """Return a batch with these cart lines and rejected values, by offset."""
    refused = [
        Reject(message(offset, value, key=b"key"), Rejection(Reason.MALFORMED, "msgspec.DecodeError", "no JSON"))
        for offset, value in (rejects or {}).items()
    ]
    return OutputBatch(0, begin, end, {"carts": list((carts or {}).items())}, refused)


class OutputsSink(SinkPart):
    """The Kafka sink's part; MariaDB accepts all sums at once."""

    def hand_over(self, *batches: OutputBatch) -> None:
        """Write batches to the sink; their other halves come too."""
        self.part.write_batch(list(batches))
        for batch in batches:
            self.committer.add_sums(SumBatch(0, batch.begin, batch.end, 0, 0, None, {}))

    def write(self, batch: OutputBatch) -> None:
        """Write a batch, and wait until its outputs are committed."""
        self.hand_over(batch)
        self.wait_until_committed(batch.end)


@contextmanager
def sink_of(settings: Settings) -> Iterator[OutputsSink]:
    """Build the sink's part, and own its partition, for as long as this lasts."""
    owner = owner_of(settings)
    part = KafkaSink(settings, owner).build_part("kafka_out", NAME, None)
    try:
        yield OutputsSink(part, owner.begin(0).result(DEADLINE_S))
    finally:
        part.close()
        owner.release(0)


def values(settings: Settings, topic: str) -> list[bytes | None]:
    return [record.value for record in read_committed(settings, topic)]


def test_carts_and_rejects_name_their_visit(settings: Settings) -> None:
    """A cart in its key; a reject in a header, beside its own key, value and the headers of Kafka Connect."""
    with sink_of(settings) as sink:
        sink.write(batch(0, 10, carts={3: "three", 8: "eight"}, rejects={5: b"?"}))
        pipeline = sink.committer.owned.pipeline
        origin = f"{pipeline.pipeline_id}/{pipeline.topic_id}/0"
    carts = read_committed(settings, settings.carts_topic)
    assert [(cart.partition, cart.key, cart.value) for cart in carts] == [
        (0, f"{origin}/3".encode(), b"three"),
        (0, f"{origin}/8".encode(), b"eight"),
    ]
    (reject,) = read_committed(settings, settings.rejected_topic)
    assert (reject.partition, reject.key, reject.value) == (0, b"key", b"?")
    assert reject.headers == (
        ("visit", f"{origin}/5".encode()),
        ("reason", b"malformed"),
        ("__connect.errors.topic", settings.visits_topic.encode()),
        ("__connect.errors.partition", b"0"),
        ("__connect.errors.offset", b"5"),
        ("__connect.errors.stage", b"VALUE_CONVERTER"),
        ("__connect.errors.exception.class.name", b"msgspec.DecodeError"),
        ("__connect.errors.exception.message", b"no JSON"),
    )


def test_a_batch_without_outputs_needs_no_transaction(settings: Settings) -> None:
    """Nothing is written, not even a control record."""
    with sink_of(settings) as sink:
        sink.write(batch(0, 10))
        assert ends(settings, settings.carts_topic) == ends(settings, settings.rejected_topic) == {0: 0}


def test_close_commits_nothing(settings: Settings) -> None:
    """Bytewax closes after an exception and on Ctrl-C too: what was not committed then is the next owner's."""
    with sink_of(replace(settings, flush_interval_ms=10_000)) as sink:
        sink.write(batch(0, 10, carts={3: "three"}))
        sink.hand_over(batch(10, 20, carts={11: "eleven"}, rejects={12: b"?"}))
    with owned(settings) as (_, again):
        assert again.tails == ({"carts": 3}, -1)
    assert values(settings, settings.carts_topic) == [b"three"]
    assert values(settings, settings.rejected_topic) == []


def test_what_is_there_is_dropped_by_each_topics_own_tail(settings: Settings) -> None:
    """The database went back, and the carts' topic was emptied: all carts come again, and no reject does."""
    batches = [
        batch(0, 10, carts={3: "three"}, rejects={5: b"five"}),
        batch(10, 20, carts={11: "11"}, rejects={12: b"12"}),
    ]
    with sink_of(settings) as sink:
        for each in batches:
            sink.write(each)
    with sink_of(settings) as sink:
        assert (sink.position, sink.committer.owned.tails) == (0, ({"carts": 11}, 12))
        for each in [*batches, batch(20, 30, carts={20: "20"})]:
            sink.write(each)
    assert values(settings, settings.carts_topic) == [b"three", b"11", b"20"]
    assert values(settings, settings.rejected_topic) == [b"five", b"12"]
    admin = kafka.admin_client(settings)
    for future in admin.delete_records([TopicPartition(settings.carts_topic, 0, -1)]).values():
        future.result(30)
    with sink_of(settings) as sink:
        assert sink.committer.owned.tails == ({"carts": -1}, 12)
        for each in [*batches, batch(20, 30, carts={20: "20"})]:
            sink.write(each)
    assert values(settings, settings.carts_topic) == [b"three", b"11", b"20"]
    assert values(settings, settings.rejected_topic) == [b"five", b"12"]


class Forgetful:
    """A real producer that forgets why its flush has failed, as confluent-kafka's does now and then."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def flush(self, timeout_s: float) -> int:
        try:
            return self._producer.flush(timeout_s)
        except (KafkaException, SystemError):
            raise SystemError("<method 'flush'> returned NULL without setting an exception") from None


@pytest.mark.parametrize("producer_of", [lambda producer: producer, Forgetful], ids=["", "reason lost"])
def test_it_is_fenced_by_a_second_owner(settings: Settings, producer_of: Callable[[Producer], Any]) -> None:
    """Of two producers with one transactional.id only the later one can commit."""
    with sink_of(settings) as sink:
        sink.write(batch(0, 10, carts={3: "three"}))
        partition = sink.committer.owned
        partition.producer = producer_of(partition.producer)
        later = Producer(kafka_config.client_config(settings, transactional_id=f"{settings.carts_topic}-0"))
        later.init_transactions(30)
        with pytest.raises(Fatal) as caught:
            sink.write(batch(10, 20, carts={11: "eleven"}))
        assert sink.position == 10
    assert caught.value.code == ExitCode.ABORTED
    assert f"outputs of topic '{settings.visits_topic}' partition 0: fenced (" in caught.value.message
    assert f"another producer has transactional.id '{settings.carts_topic}-0', although this" in caught.value.message
    assert values(settings, settings.carts_topic) == [b"three"]


def test_batches_must_follow_one_another(settings: Settings) -> None:
    """A batch that is missing, or comes twice, ends the run: nothing would make up for it."""
    with sink_of(settings) as sink:
        sink.write(batch(0, 10))
        for unexpected in (batch(0, 10), batch(11, 20)):
            with pytest.raises(Fatal, match=r"a batch begins at offset \d+, but 10 comes next") as caught:
                sink.part.write_batch([unexpected])
            assert caught.value.code == ExitCode.ABORTED


def transaction_of(settings: Settings, partition: OwnedPartition, carts: list[str]) -> OutputTransaction:
    topics = OutputTopics(
        visits=settings.visits_topic,
        lines={"carts": settings.carts_topic},
        rejected=settings.rejected_topic,
        pipeline_id=partition.pipeline.pipeline_id,
        topic_id=partition.pipeline.topic_id,
    )
    return OutputTransaction(partition, Delivery(partition.producer, topics, 0, {"carts": list(enumerate(carts))}, []))


def producer_with_a_short_queue(settings: Settings) -> Producer:
    own = {"transactional_id": f"{settings.carts_topic}-0", "queue_buffering_max_messages": 100, "linger_ms": 1}
    producer = Producer(kafka_config.client_config(settings, **own))
    producer.init_transactions(30)
    return producer


def test_a_full_queue_is_no_loss(settings: Settings) -> None:
    """produce_batch takes fewer than it is given and raises nothing: the rest is sent too, in order."""
    lines = [f"line {at}" for at in range(2500)]
    with owned(settings) as (_, partition):
        partition.producer = producer_with_a_short_queue(settings)
        transaction_of(settings, partition, lines).run()
    assert values(settings, settings.carts_topic) == [line.encode() for line in lines]


class Cancelling:
    """A producer that cancels the partition's work as soon as it polls: its queue is full."""

    def __init__(self, partition: OwnedPartition, producer: Producer) -> None:
        self._partition = partition
        self._producer = producer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def poll(self, timeout_s: float) -> int:
        """Cancel, then poll."""
        self._partition.cancellation.request()
        return self._producer.poll(timeout_s)


def test_what_is_cancelled_half_sent_is_never_visible(settings: Settings) -> None:
    """Some of its carts are in the topic, aborted."""
    with owned(settings) as (_, partition):
        producer = producer_with_a_short_queue(settings)
        partition.producer = cast(Producer, Cancelling(partition, producer))
        with pytest.raises(Cancelled):
            transaction_of(settings, partition, ["line"] * 2500).run()
        producer.begin_transaction()
        producer.produce(settings.carts_topic, b"next", partition=0)
        producer.commit_transaction(30)
    assert values(settings, settings.carts_topic) == [b"next"]


class Interrupted:
    """A producer that is interrupted between the delivery of its records and their commit."""

    def __init__(self, producer: Producer, happens: Callable[[], None]) -> None:
        self._producer = producer
        self._happens: Callable[[], None] | None = happens

    def __getattr__(self, name: str) -> object:
        return getattr(self._producer, name)

    def commit_transaction(self, timeout_s: float) -> None:
        """Commit, when it has happened."""
        if self._happens:
            happens, self._happens = self._happens, None
            happens()
        self._producer.commit_transaction(timeout_s)


def test_kafka_killed_inside_a_transaction(own_servers: Servers, own_settings: Settings) -> None:
    """Started again, it has the carts once: by the same commit, or, when that is in doubt, by the next owner."""
    server = own_servers.kafka
    assert server is not None

    def restart() -> None:
        server.kill()
        server.start()

    with owned(own_settings) as (_, partition):
        partition.producer = cast(Producer, Interrupted(partition.producer, restart))
        with suppress(Fatal):  # it was unavailable for longer than a transaction may stay open: the next owner sees
            transaction_of(own_settings, partition, ["zero", "one"]).run()
    with sink_of(own_settings) as sink:
        sink.write(batch(0, 2, carts={0: "zero", 1: "one"}))
    assert values(own_settings, own_settings.carts_topic) == [b"zero", b"one"]
