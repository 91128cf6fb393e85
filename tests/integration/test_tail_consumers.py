"""Consumers of the tails are shared by partitions, one after another."""

from contextlib import closing

import pytest
from confluent_kafka import Producer

from clients import kafka, kafka_config
from partition.tail import Origin, OutputTopic, TailReader, line_origin, reject_origin
from partition.tail_consumers import TailConsumers
from settings import Settings

OURS, TOPIC_ID = "0123456789abcdef" * 2, "topic-id"
SENT = 500


def send(settings: Settings, partition: int, *, cart: int, reject: int) -> None:
    """Commit many carts of one visit, and many rejects of another."""
    producer = Producer(kafka_config.client_config(settings, transactional_id=f"{settings.carts_topic}-{partition}"))
    producer.init_transactions(30)
    producer.begin_transaction()
    for topic, offset in ((settings.carts_topic, cart), (settings.rejected_topic, reject)):
        origin = str(Origin(OURS, TOPIC_ID, partition, offset))
        for _ in range(SENT):
            producer.produce(topic, b"line", origin, partition=partition, headers=[("visit", origin.encode())])
    producer.commit_transaction(30)


def test_a_shared_consumer_reads_each_partition_alone(settings: Settings) -> None:
    """Partitions and topics by turns, each left in the middle: what was fetched before is not taken for the next."""
    for partition in range(3):
        send(settings, partition, cart=10 + partition, reject=20 + partition)
    admin = kafka.admin_client(settings)
    carts = OutputTopic(settings.carts_topic, line_origin)
    rejects = OutputTopic(settings.rejected_topic, reject_origin)
    used = set()
    with closing(TailConsumers(settings)) as consumers:
        for partition in (0, 1, 2, 1, 0):
            with consumers.borrowed() as consumer:
                used.add(consumer)
                reader = TailReader(settings, admin, partition, consumer=consumer)
                assert reader.tail(carts, OURS, TOPIC_ID) == 10 + partition
                assert reader.tail(rejects, OURS, TOPIC_ID) == 20 + partition
                first = next(reader.records(carts.name, 0, SENT))
                assert (first.topic(), first.partition(), first.offset()) == (carts.name, partition, 0)
    assert len(used) == 1


def test_a_consumer_that_failed_is_not_lent_again(settings: Settings) -> None:
    """Whatever it was assigned, and whatever it waits for, ends with it."""
    with closing(TailConsumers(settings)) as consumers:
        with pytest.raises(ZeroDivisionError), consumers.borrowed() as failed:
            raise ZeroDivisionError
        with pytest.raises(RuntimeError, match="closed"):
            failed.consume(1, 0)
        with consumers.borrowed() as other:
            assert other is not failed
