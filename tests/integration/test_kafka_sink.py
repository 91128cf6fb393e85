"""The Kafka sink: carts and rejects of a cut in one transaction, once each, fenced as soon as another has claimed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from bytewax.outputs import StatefulSinkPartition
from confluent_kafka import KafkaException, Producer, TopicPartition

from clients import kafka, kafka_config
from operators.carts import OutputBatch
from operators.decode import Reject
from ops.servers import Servers
from partition.ownership import Claim
from process.errors import ExitCode, Fatal
from settings import Settings
from sinks.kafka import KafkaSink
from sinks.transaction import OutputTopics, OutputTransaction
from tests.integration.parts import DEADLINE_S, KEY, claimed
from tests.support import ends, read_committed, wait_until
from tests.unit.samples import message

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")

Sink = StatefulSinkPartition[OutputBatch, None]


def cut(
    begin: int, end: int, *, carts: dict[int, str] | None = None, rejects: dict[int, bytes] | None = None
) -> OutputBatch:
    """Return a cut with these cart lines and rejected values, by offset."""
    refused = [
        Reject(message(offset, value, key=b"visitor"), "malformed", "msgspec.DecodeError", "no JSON")
        for offset, value in (rejects or {}).items()
    ]
    return OutputBatch(0, begin, end, list((carts or {}).items()), refused)


@contextmanager
def sink_of(settings: Settings) -> Iterator[tuple[Sink, Claim]]:
    """Build the sink's part, and claim its partition, for as long as this lasts."""
    with claimed(settings) as (claims, claim):
        sink = KafkaSink(settings, claims).build_part("kafka_out", KEY, None)
        try:
            yield sink, claim
        finally:
            sink.close()


def write(sink: Sink, claim: Claim, batch: OutputBatch, *, deadline_s: float = DEADLINE_S) -> None:
    """Write a cut, and ask the sink until its outputs are committed."""
    sink.write_batch([batch])
    asking = cut(batch.end, batch.end)
    wait_until(
        lambda: sink.write_batch([asking]) or claim.outputs == batch.end,
        deadline_s=deadline_s,
        what=lambda: f"outputs up to {batch.end} committed; they are up to {claim.outputs}",
    )


def values(settings: Settings, topic: str) -> list[bytes | None]:
    return [record.value for record in read_committed(settings, topic)]


def test_carts_and_rejects_name_their_visit(settings: Settings) -> None:
    """A cart in its key; a reject in a header, beside its own key, value and the headers of Kafka Connect."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, cut(0, 10, carts={3: "three", 8: "eight"}, rejects={5: b"?"}))
        origin = f"{claim.provisioned.pipeline_id}/{claim.provisioned.topic_id}/0"
    carts = read_committed(settings, settings.carts_topic)
    assert [(cart.partition, cart.key, cart.value) for cart in carts] == [
        (0, f"{origin}/3".encode(), b"three"),
        (0, f"{origin}/8".encode(), b"eight"),
    ]
    (reject,) = read_committed(settings, settings.rejected_topic)
    assert (reject.partition, reject.key, reject.value) == (0, b"visitor", b"?")
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


def test_a_cut_without_outputs_needs_no_transaction(settings: Settings) -> None:
    """Nothing is written, not even a control record."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, cut(0, 10))
        assert ends(settings, settings.carts_topic) == ends(settings, settings.rejected_topic) == {0: 0}


def test_close_commits_nothing(settings: Settings) -> None:
    """Bytewax closes after an exception and on Ctrl-C too: what was not committed then is the next claim's."""
    with sink_of(replace(settings, flush_interval_ms=10_000)) as (sink, claim):
        write(sink, claim, cut(0, 10, carts={3: "three"}))
        sink.write_batch([cut(10, 20, carts={11: "eleven"}, rejects={12: b"?"})])
    with sink_of(settings) as (_, again):
        assert (again.carts_tail, again.rejects_tail) == (3, -1)
    assert values(settings, settings.carts_topic) == [b"three"]
    assert values(settings, settings.rejected_topic) == []


def test_what_is_there_is_dropped_by_each_topics_own_tail(settings: Settings) -> None:
    """The database went back, and the carts' topic was emptied: all carts come again, and no reject does."""
    batches = [cut(0, 10, carts={3: "three"}, rejects={5: b"five"}), cut(10, 20, carts={11: "11"}, rejects={12: b"12"})]
    with sink_of(settings) as (sink, claim):
        for batch in batches:
            write(sink, claim, batch)
    with sink_of(settings) as (sink, claim):
        assert (claim.start, claim.carts_tail, claim.rejects_tail) == (0, 11, 12)
        for batch in [*batches, cut(20, 30, carts={20: "20"})]:
            write(sink, claim, batch)
    assert values(settings, settings.carts_topic) == [b"three", b"11", b"20"]
    assert values(settings, settings.rejected_topic) == [b"five", b"12"]
    admin = kafka.admin_client(settings)
    for future in admin.delete_records([TopicPartition(settings.carts_topic, 0, -1)]).values():
        future.result(30)
    with sink_of(settings) as (sink, claim):
        assert (claim.carts_tail, claim.rejects_tail) == (-1, 12)
        for batch in [*batches, cut(20, 30, carts={20: "20"})]:
            write(sink, claim, batch)
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
def test_it_is_fenced_by_a_second_claim(settings: Settings, producer_of: Callable[[Producer], Any]) -> None:
    """Of two producers with one transactional.id only the later one can commit."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, cut(0, 10, carts={3: "three"}))
        claim.producer = producer_of(claim.producer)
        later = Producer(kafka_config.client_config(settings, transactional_id=f"{settings.carts_topic}-0"))
        later.init_transactions(30)
        with pytest.raises(Fatal) as caught:
            write(sink, claim, cut(10, 20, carts={11: "eleven"}))
        assert claim.outputs == 10
    assert caught.value.code == ExitCode.ABORTED
    assert f"outputs of topic '{settings.visits_topic}' partition 0: fenced (" in caught.value.message
    assert values(settings, settings.carts_topic) == [b"three"]


def test_batches_must_follow_one_another(settings: Settings) -> None:
    """A batch that is missing, or comes twice, ends the run: nothing would make up for it."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, cut(0, 10))
        for strange in (cut(0, 10), cut(11, 20)):
            with pytest.raises(Fatal, match=r"a batch begins at offset \d+, but 10 comes next") as caught:
                sink.write_batch([strange])
            assert caught.value.code == ExitCode.ABORTED


def transaction_of(settings: Settings, claim: Claim, producer: Producer, carts: list[str]) -> OutputTransaction:
    topics = (settings.visits_topic, settings.carts_topic, settings.rejected_topic)
    places = OutputTopics(*topics, claim.provisioned.pipeline_id, claim.provisioned.topic_id)
    return OutputTransaction(producer, places, 0, list(enumerate(carts)), [])


def producer_with_a_short_queue(settings: Settings) -> Producer:
    own = {"transactional_id": f"{settings.carts_topic}-0", "queue_buffering_max_messages": 100, "linger_ms": 1}
    producer = Producer(kafka_config.client_config(settings, **own))
    producer.init_transactions(30)
    return producer


def test_a_full_queue_is_no_loss(settings: Settings) -> None:
    """produce_batch takes fewer than it is given and raises nothing: the rest is sent too, in order."""
    lines = [f"line {at}" for at in range(2500)]
    with claimed(settings) as (_, claim):
        transaction = transaction_of(settings, claim, producer_with_a_short_queue(settings), lines)
        wait_until(transaction.advance, deadline_s=DEADLINE_S, what="2500 carts committed")
    assert values(settings, settings.carts_topic) == [line.encode() for line in lines]


def test_what_is_given_up_half_sent_is_seen_by_nobody(settings: Settings) -> None:
    """Some of its carts are in the topic, aborted."""
    with claimed(settings) as (_, claim):
        producer = producer_with_a_short_queue(settings)
        transaction = transaction_of(settings, claim, producer, ["line"] * 2500)
        assert not transaction.advance()
        transaction.abandon()
        producer.begin_transaction()
        producer.produce(settings.carts_topic, b"next", partition=0)
        producer.commit_transaction(30)
    assert values(settings, settings.carts_topic) == [b"next"]


class Interrupted:
    """A producer, but that something happens between the delivery of its records and their commit."""

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
    """Started again, it has the carts once: by the same commit, or, when that is in doubt, by the next claim."""
    server = own_servers.kafka
    assert server is not None

    def restart() -> None:
        server.kill()
        server.start()

    with claimed(own_settings) as (_, claim):
        interrupted = Interrupted(claim.producer, restart)
        transaction = transaction_of(own_settings, claim, interrupted, ["zero", "one"])  # type: ignore[arg-type]
        with suppress(Fatal):  # it was away for longer than a transaction may stay open: the next claim sees
            wait_until(transaction.advance, deadline_s=DEADLINE_S, what="the commit, or its line")
    with sink_of(own_settings) as (sink, claim):
        write(sink, claim, cut(0, 2, carts={0: "zero", 1: "one"}))
    assert values(own_settings, own_settings.carts_topic) == [b"zero", b"one"]
