"""The tail: the last output of ours in a topic, behind whatever lies there, as a read_committed reader sees it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from confluent_kafka import Producer, TopicPartition

from clients import kafka, kafka_config
from partition import tail as tail_module
from partition.tail import NOTHING, Origin, OutputTopic, TailReader, line_origin, reject_origin
from partition.tail_consumers import TailConsumers
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.support import ends, wait_until

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")

OURS, TOPIC_ID = "0123456789abcdef" * 2, "topic-id"
Send = Callable[..., None]


def key(offset: int, *, pipeline: str = OURS, topic_id: str = TOPIC_ID, partition: int = 0) -> str:
    return str(Origin(pipeline, topic_id, partition, offset))


@pytest.fixture
def producer(settings: Settings) -> Producer:
    """A producer of transactions in the carts' topic."""
    producer = Producer(kafka_config.client_config(settings, transactional_id=settings.carts_topic))
    producer.init_transactions(30)
    return producer


@pytest.fixture
def reader(settings: Settings) -> Iterator[TailReader]:
    """The reader of partition 0."""
    with closing(TailConsumers(settings)) as consumers, consumers.borrowed() as consumer:
        yield TailReader(settings, kafka.admin_client(settings), 0, consumer=consumer)


@pytest.fixture
def carts(settings: Settings) -> OutputTopic:
    """The carts' topic."""
    return OutputTopic(settings.carts_topic, line_origin)


def send(producer: Producer, topic: str, keys: list[str], *, ends_by: Callable[[float], None]) -> None:
    """Send records in a transaction of their own, which is committed or aborted, or left open."""
    producer.begin_transaction()
    for each in keys:
        producer.produce(topic, b"line", each, partition=0)
    assert producer.flush(30) == 0
    ends_by(30)


def test_an_empty_topic_has_no_tail(reader: TailReader, carts: OutputTopic) -> None:
    """Nothing of ours was ever sent."""
    assert reader.tail(carts, OURS, TOPIC_ID) == NOTHING
    assert reader.last_origin(carts) is None


def test_control_and_aborted_records_are_passed_over(
    reader: TailReader, carts: OutputTopic, producer: Producer
) -> None:
    """The last committed cart counts, not the last offset, and not what was sent and given up."""
    send(producer, carts.name, [key(3), key(8)], ends_by=producer.commit_transaction)
    send(producer, carts.name, [key(20)], ends_by=producer.abort_transaction)
    assert reader.tail(carts, OURS, TOPIC_ID) == 8


def test_records_of_others_are_passed_over(reader: TailReader, carts: OutputTopic, producer: Producer) -> None:
    """Foreign ones, another topic_id's, another partition's, another pipeline's: far more than a first look sees."""
    foreign = ["", "no origin", key(90, topic_id="older"), key(91, partition=1), key(92, pipeline="f" * 32)]
    send(producer, carts.name, [key(8), *foreign * 300], ends_by=producer.commit_transaction)
    assert reader.tail(carts, OURS, TOPIC_ID) == 8


def test_any_pipelines_last_output_is_known(reader: TailReader, carts: OutputTopic, producer: Producer) -> None:
    """So two databases do not share a topic unseen."""
    send(producer, carts.name, [key(8), key(3, pipeline="f" * 32), "no origin"], ends_by=producer.commit_transaction)
    # the broker writes its commit markers a moment after it has answered a commit
    last = wait_until(lambda: reader.last_origin(carts), deadline_s=30, what="a committed cart")
    assert last == Origin("f" * 32, TOPIC_ID, 0, 3)


def test_an_emptied_topic_has_no_tail(
    reader: TailReader, carts: OutputTopic, producer: Producer, settings: Settings
) -> None:
    """It looks back as far as the log's start."""
    send(producer, carts.name, [key(8)] * 200, ends_by=producer.commit_transaction)
    admin = kafka.admin_client(settings)
    at = TopicPartition(carts.name, 0, wait_until(lambda: ends(settings, carts.name)[0], deadline_s=30, what="an end"))
    for future in admin.delete_records([at]).values():
        future.result(30)
    assert reader.tail(carts, OURS, TOPIC_ID) == NOTHING


def test_a_reject_names_its_visit_in_its_last_header(
    reader: TailReader, settings: Settings, producer: Producer
) -> None:
    """Earlier headers of the name were there when it was sent in; keys are the shop's own."""
    producer.begin_transaction()
    headers: list[tuple[str, str | bytes | None]] = [("visit", key(99).encode()), ("visit", key(5).encode())]
    producer.produce(settings.rejected_topic, b"?", key(70), partition=0, headers=headers)
    producer.commit_transaction(30)
    assert reader.tail(OutputTopic(settings.rejected_topic, reject_origin), OURS, TOPIC_ID) == 5


def test_an_open_transaction_is_waited_for(
    reader: TailReader,
    carts: OutputTopic,
    producer: Producer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another producer's open transaction hides what is committed behind it: carts would come twice."""
    monkeypatch.setattr(tail_module, "_SILENCE_S", 2.0)
    foreign = Producer(kafka_config.client_config(settings, transactional_id=f"{carts.name}-foreign"))
    foreign.init_transactions(30)
    send(foreign, carts.name, ["foreign"], ends_by=lambda _: None)
    send(producer, carts.name, [key(8)], ends_by=producer.commit_transaction)
    with ThreadPoolExecutor(1) as pool:
        tail = pool.submit(reader.tail, carts, OURS, TOPIC_ID)
        with pytest.raises(TimeoutError):
            tail.result(3)  # longer than Kafka may be silent while it is read
        foreign.abort_transaction(30)
        assert tail.result(60) == 8


def test_a_transaction_that_stays_open_is_named(
    reader: TailReader,
    carts: OutputTopic,
    producer: Producer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wait is bounded: the message names the place."""
    monkeypatch.setattr(tail_module, "_OPEN_TRANSACTION_S", 0.5)
    send(producer, carts.name, ["foreign"], ends_by=lambda _: None)
    with pytest.raises(Fatal, match="partition 0: another producer's transaction has been open at offset 0") as caught:
        reader.tail(carts, OURS, TOPIC_ID)
    assert caught.value.code == ExitCode.UNAVAILABLE
