"""The source: contiguous batches in order, never too far ahead of the committer."""

from dataclasses import replace
from datetime import timedelta

import pytest
from confluent_kafka import Producer, TopicPartition

from clients import kafka, kafka_config
from process.errors import ExitCode, Fatal
from settings import Settings
from sources import kafka as source_module
from sources.kafka import BYTES_AHEAD
from sources.reader import LARGE_BATCH_BYTES
from tests.integration.parts import Reader, reading
from tests.support import ends, produce, query, wait_until
from tests.unit.samples import visit_bytes

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")

MIB = 1024 * 1024
LIVE, ASLEEP = timedelta(milliseconds=10), timedelta(milliseconds=50)


def send(settings: Settings, messages: int) -> None:
    produce(settings, [(0, visit_bytes(duration=str(at))) for at in range(messages)])


def transactional_producer(settings: Settings) -> Producer:
    producer = Producer(kafka_config.client_config(settings, transactional_id=settings.visits_topic))
    producer.init_transactions(30)
    return producer


def send_open(producer: Producer, settings: Settings, messages: int) -> None:
    producer.begin_transaction()
    for _ in range(messages):
        producer.produce(settings.visits_topic, visit_bytes(), partition=0)
    assert producer.flush(30) == 0


def delete_before(settings: Settings, offset: int) -> None:
    admin = kafka.admin_client(settings)
    for future in admin.delete_records([TopicPartition(settings.visits_topic, 0, offset)]).values():
        future.result(30)


def assert_contiguous(reader: Reader, *, begin: int = 0) -> None:
    for batch in reader.batches:
        assert batch.begin == begin
        assert all(batch.begin <= kafka.offset_of(message) < batch.end for message in batch.messages)
        begin = batch.end


def is_full(reader: Reader) -> bool:
    """Return whether it has read messages, and waits for the committer."""
    return reader.end > 0 and timedelta(0) < reader.rest() <= timedelta(milliseconds=1)


def test_batches_are_contiguous_and_bounded(settings: Settings) -> None:
    """Each begins where the last one ended, and holds BATCH_MESSAGES messages at most, all of them in order."""
    send(settings, 1000)
    with reading(replace(settings, batch_messages=70)) as reader:
        reader.read_until(lambda: reader.end == 1000, what="1000 messages sent")
    assert_contiguous(reader)
    assert reader.offsets == list(range(1000))
    assert max(len(batch.messages) for batch in reader.batches) == 70


def test_it_begins_where_the_database_stands(settings: Settings) -> None:
    """Not at the group's offset, and not at the topic's start."""
    send(settings, 100)
    query(settings, "UPDATE progress SET next_offset = 60")
    with reading(settings) as reader:
        reader.read_until(lambda: reader.end == 100, what="40 messages sent")
    assert_contiguous(reader, begin=60)
    assert reader.offsets == list(range(60, 100))


def test_gaps_are_part_of_a_batch(settings: Settings) -> None:
    """Aborted messages and control records are no messages, but the last batch ends behind them all."""
    producer = transactional_producer(settings)
    for commits in (True, False, True, False):
        send_open(producer, settings, 10)
        (producer.commit_transaction if commits else producer.abort_transaction)(30)
    with reading(settings) as reader:
        reader.read_until(lambda: reader.end == 44, what="the end at offset 44")
    assert_contiguous(reader)
    assert reader.offsets == [*range(10), *range(22, 32)]


def test_nothing_is_read_while_the_committer_is_far_behind(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is the back-pressure: so many messages ahead of the position; it resumes when that follows."""
    monkeypatch.setattr(source_module, "MESSAGES_AHEAD", 800)
    send(settings, 3000)
    with reading(replace(settings, batch_messages=100)) as reader:
        reader.read_until(lambda: is_full(reader), what="it waits for the committer", counting=False)
        assert 800 <= reader.end < 900
        for _ in range(20):
            assert reader.read() is None
        reader.committer.position = reader.end
        reader.read_until(lambda: reader.end == 3000, what="the rest is sent")
    assert_contiguous(reader)
    assert reader.offsets == list(range(3000))


def test_no_empty_batch_is_sent(settings: Settings) -> None:
    """A batch covers offsets: there is none while nothing comes, committed or not."""
    send(settings, 10)
    with reading(replace(settings, flush_interval_ms=1)) as reader:
        reader.read_until(lambda: reader.end == 10, what="10 messages sent", counting=False)
        reader.read_until(lambda: reader.rest() > LIVE, what="it is idle", counting=False)
        reader.committer.position = 10
        send(settings, 1)
        reader.read_until(lambda: reader.end == 11, what="one more message sent")
    assert all(batch.begin < batch.end for batch in reader.batches)
    assert_contiguous(reader)


def test_it_is_awake_while_visits_come(settings: Settings) -> None:
    """At the live end it polls every 10 ms, after an idle second every 50 ms, and at once after a batch."""
    with reading(settings) as reader:
        reader.read_until(lambda: reader.rest() > LIVE, what="it is idle")
        assert reader.rest() <= ASLEEP
        send(settings, 1)
        reader.read_until(lambda: reader.end == 1, what="the visit is sent")
        assert reader.part.next_awake() is None
        assert reader.read() is None
        assert timedelta(0) < reader.rest() <= LIVE
        reader.read_until(lambda: reader.rest() > LIVE, what="it is idle again")


def test_stop_at_end_means_the_read_committed_end(settings: Settings) -> None:
    """What is in an open transaction, or comes later, is not read; it ends when the committer is there, not before."""
    send(settings, 20)
    producer = transactional_producer(settings)
    send_open(producer, settings, 10)
    with reading(replace(settings, stop_at_end=True, flush_interval_ms=1)) as reader:
        assert reader.committer.owned.start == 0
        reader.read_until(lambda: reader.end == 20, what="the end", counting=False)
        producer.commit_transaction(30)
        wait_until(lambda: ends(settings, settings.visits_topic) == {0: 31}, deadline_s=30, what="the commit is seen")
        for _ in range(5):
            reader.read()
        assert reader.offsets == list(range(20))
        reader.committer.position = 20
        with pytest.raises(StopIteration):
            reader.read()


@pytest.mark.parametrize("choice", ["fail", "skip"])
def test_records_deleted_in_mid_run(settings: Settings, choice: str) -> None:
    """Retention overtakes the source: ON_DATA_LOSS=fail ends the run, skip makes them a part of a batch."""
    send(settings, 20_000)
    with reading(replace(settings, batch_messages=10, on_data_loss=choice)) as reader:
        reader.read_until(lambda: reader.end >= 80, what="the first batches, and no more", counting=False)
        delete_before(settings, 15_000)
        reader.committer.position = reader.end
        if choice == "fail":
            with pytest.raises(Fatal) as caught:
                reader.read_until(lambda: reader.end == 20_000, what="the end")
            assert caught.value.code == ExitCode.DATA
            assert f"offsets {reader.end} to 14999 were deleted before they were counted" in caught.value.message
            return
        reader.read_until(lambda: reader.end == 20_000, what="the end")
    assert_contiguous(reader)
    last_before = max(offset for offset in reader.offsets if offset is not None and offset < 15_000)
    assert reader.offsets == [*range(last_before + 1), *range(15_000, 20_000)]


def test_a_log_that_has_lost_its_end(settings: Settings) -> None:
    """More is counted than the log holds: reading does not resume there."""
    send(settings, 10)
    query(settings, "UPDATE progress SET next_offset = 1000")
    with reading(settings) as reader, pytest.raises(Fatal) as caught:
        reader.read_until(lambda: False, what="its error")
    assert caught.value.code == ExitCode.DATA
    expected = f"topic '{settings.visits_topic}' partition 0 ends at offset 10, but 1000 is counted already"
    assert expected in caught.value.message


def test_batches_of_large_messages_are_bounded_by_their_bytes(settings: Settings) -> None:
    """Values, keys and headers: so bounded are a batch, and what is ahead of the committer, however few they are."""
    messages = BYTES_AHEAD // (3 * MIB) + 10
    own = {"message_max_bytes": 64 * MIB, "compression_type": "zstd"}
    producer = Producer(kafka_config.client_config(settings, **own))
    for _ in range(messages):
        producer.produce(settings.visits_topic, b"v" * MIB, b"k" * MIB, partition=0, headers=[("h", b"h" * MIB)])
    assert producer.flush(60) == 0
    with reading(settings) as reader:
        reader.read_until(lambda: is_full(reader), what="it waits for the committer", counting=False)
        sizes = [3 * MIB * len(batch.messages) for batch in reader.batches]
        assert max(sizes) < LARGE_BATCH_BYTES + 3 * MIB
        assert sum(sizes) >= BYTES_AHEAD
        assert sum(sizes) < BYTES_AHEAD + LARGE_BATCH_BYTES + 3 * MIB
        reader.committer.position = reader.end
        reader.read_until(lambda: reader.end == messages, what="the rest sent")
    assert_contiguous(reader)
