"""Positions that are lost, moved, or of another pipeline, and emptied topics: refused, or exact."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from clients import kafka, kafka_config
from ops.provision import provision
from settings import Settings
from tests.pipeline import check_all, check_promise_1, ops, progressed, run_to_end, running
from tests.support import ends, produce, query, read_committed, wait_until
from tests.traffic import Sent, Truth, traffic

CONFIG, DATA = 78, 65
TABLES = ("window_totals", "progress")


def send(settings: Settings, sent: list[Sent]) -> None:
    produce(settings, [(message.partition, message.value) for message in sent])


def empty(settings: Settings, topic: str, *, before: dict[int, int] | None = None) -> None:
    """Delete a topic's records before these offsets (default: all of them)."""
    admin = kafka.admin_client(settings)
    at = [TopicPartition(topic, partition, offset) for partition, offset in (before or ends(settings, topic)).items()]
    for future in admin.delete_records(at).values():
        future.result()


def dump(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    return {table: query(settings, f"SELECT * FROM {table}") for table in TABLES}  # noqa: S608


def restore(settings: Settings, dumped: dict[str, list[tuple[Any, ...]]]) -> None:
    for table, rows in dumped.items():
        query(settings, f"DELETE FROM {table}")  # noqa: S608
        for row in rows:
            query(settings, f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608


def test_a_database_restored_from_an_older_dump_catches_up(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """It continues at the dump's position, exactly, and no cart or reject is duplicated."""
    first, second = traffic(4000, seed=31), traffic(4000, seed=32)
    send(settings, first)
    run_to_end(environment, tmp_path)
    older = dump(settings)
    send(settings, second)
    run_to_end(environment, tmp_path)
    restore(settings, older)
    run_to_end(environment, tmp_path, processes=2)
    check_all(settings, Truth([*first, *second]))


def test_each_output_topic_has_its_own_tail(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """The carts' topic emptied and the database restored: all carts are sent again, and no reject is."""
    sent = traffic(4000, seed=33)
    before = dump(settings)
    send(settings, sent)
    run_to_end(environment, tmp_path)
    empty(settings, settings.carts_topic)
    restore(settings, before)
    run_to_end(environment, tmp_path)
    check_all(settings, Truth(sent))


def test_emptied_outputs_alone_change_nothing(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """What was sent before is not sent again; what comes later is."""
    first, second = traffic(2000, seed=34), traffic(2000, seed=35)
    send(settings, first)
    run_to_end(environment, tmp_path)
    for topic in (settings.carts_topic, settings.rejected_topic):
        empty(settings, topic)
    send(settings, second)
    run_to_end(environment, tmp_path)
    check_promise_1(settings, Truth([*first, *second]))
    assert len(read_committed(settings, settings.carts_topic)) == sum(1 for message in second if message.cart_line)


def test_the_last_cart_far_behind_foreign_and_aborted_records(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """The tail is found behind thousands of records that are not ours, some of them aborted."""
    before = dump(settings)
    sent = traffic(2000, seed=36)
    send(settings, sent)
    run_to_end(environment, tmp_path)
    carts = read_committed(settings, settings.carts_topic)
    foreign = Producer(kafka_config.client_config(settings, transactional_id=f"{settings.carts_topic}-foreign"))
    foreign.init_transactions(30)
    for commits in (True, False, True, False):
        foreign.begin_transaction()
        for at in range(1500):
            foreign.produce(settings.carts_topic, b"foreign", str(at), partition=at % 4)
        foreign.flush(30)
        (foreign.commit_transaction if commits else foreign.abort_transaction)(30)
    restore(settings, before)
    run_to_end(environment, tmp_path)
    check_promise_1(settings, Truth(sent))
    ours = [record for record in read_committed(settings, settings.carts_topic) if record.value != b"foreign"]
    assert ours == carts


def test_another_pipelines_outputs_are_refused(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Two databases must not share an output topic: the second would take the first one's tail for its own."""
    send(settings, traffic(500, seed=37))
    run_to_end(environment, tmp_path)
    query(settings, "UPDATE pipeline SET pipeline_id = ?", ("0" * 32,))
    with running(environment, tmp_path) as dataflow:
        assert dataflow.wait() == [DATA]
        assert "but this database is of pipeline 00000000" in dataflow.output()


@pytest.mark.parametrize("when", ["before a start", "during a run"])
def test_a_topic_recreated(settings: Settings, environment: dict[str, str], tmp_path: Path, when: str) -> None:
    """Another topic of the same name is another log: refused at once, or at the next check, 10 s later."""
    send(settings, traffic(500, seed=38))
    run_to_end(environment, tmp_path)

    def recreate() -> None:
        admin = kafka.admin_client(settings)
        admin.delete_topics([settings.visits_topic])[settings.visits_topic].result()
        wait_until(lambda: created(admin), deadline_s=30, what="the topic exists again")

    def created(admin: AdminClient) -> bool:
        from confluent_kafka import KafkaException

        try:
            admin.create_topics([NewTopic(settings.visits_topic, 4, 1)])[settings.visits_topic].result()
        except KafkaException:
            return False
        return True

    if when == "before a start":
        recreate()
    with running(environment, tmp_path) as dataflow:
        if when == "during a run":
            wait_until(lambda: dataflow.output().count("owned from") == 4, deadline_s=30, what="all partitions owned")
            dataflow.signal(signal.SIGSTOP)  # no check while there is no topic
            recreate()
            dataflow.signal(signal.SIGCONT)
        assert dataflow.wait(60) == [DATA], dataflow.output()
        assert "was deleted and created anew" in dataflow.output()
    if when == "before a start":
        refused = ops(environment, "provision")
        assert refused.returncode == DATA
        assert refused.stderr.count("\n") == 1


def test_partitions_added_while_running(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """The run ends with its error message, and the new partitions are counted after `provision`."""
    sent = traffic(2000, seed=39)
    send(settings, sent)
    with running(environment, tmp_path) as dataflow:
        wait_until(lambda: progressed(settings) == 2000, deadline_s=60, what="2000 counted")
        admin = kafka.admin_client(settings)
        admin.create_partitions([NewPartitions(settings.visits_topic, 6)])[settings.visits_topic].result()
        assert dataflow.wait(40) == [CONFIG]
        assert "has 6 partitions, but 4 are provisioned; run python -m ops provision" in dataflow.output()
    provision(settings)
    more = [message._replace(partition=message.partition + 2) for message in traffic(2000, seed=40)]
    send(settings, more)
    run_to_end(environment, tmp_path, processes=2)
    check_all(settings, Truth([*sent, *more]))


@pytest.mark.parametrize("choice", ["fail", "skip"])
def test_retention_deleting_what_was_not_read(
    settings: Settings, environment: dict[str, str], tmp_path: Path, choice: str
) -> None:
    """ON_DATA_LOSS=fail names what is lost and ends; skip logs it and continues, and verify prints PARTIAL."""
    sent = traffic(4000, seed=41)
    send(settings, sent)
    empty(settings, settings.visits_topic, before={0: 100, 1: 200})
    environment = environment | {"ON_DATA_LOSS": choice, "STOP_AT_END": "1"}
    with running(environment, tmp_path) as dataflow:
        (code,) = dataflow.wait()
        lost = f"topic '{settings.visits_topic}' partition 1: offsets 0 to 199 were deleted before they were counted"
        if choice == "fail":
            assert code == DATA
            assert "ON_DATA_LOSS=skip" in dataflow.output()
            assert progressed(settings) < 4000
            return
        assert code == 0
        assert lost in dataflow.output()
    assert progressed(settings) == 4000 - 300
    at = query(settings, "SELECT kafka_partition, next_offset FROM progress ORDER BY 1")
    assert dict(at) == ends(settings, settings.visits_topic)
    verified = ops(environment, "verify")
    assert verified.returncode == 3, verified.stdout + verified.stderr
    assert "PARTIAL" in verified.stdout


def test_an_input_written_by_transactions(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Aborted messages are not counted; control records advance the position, to the very end."""
    producer = Producer(kafka_config.client_config(settings, transactional_id=settings.visits_topic))
    producer.init_transactions(30)
    counted: list[Sent] = []
    for seed in range(10):
        part = traffic(300, seed=seed)
        producer.begin_transaction()
        for message in part:
            producer.produce(settings.visits_topic, message.value, partition=message.partition)
        producer.flush(30)
        if seed % 3:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            counted += part
    run_to_end(environment, tmp_path, workers=2)
    assert progressed(settings) == len(counted)
    at = query(settings, "SELECT kafka_partition, next_offset FROM progress ORDER BY 1")
    assert dict(at) == ends(settings, settings.visits_topic)
    rows = query(settings, "SELECT entry, visits FROM window_totals WHERE board = 'country' AND length_s = 86400")
    expected = Truth(counted).rows(dict.fromkeys(range(4), 3000))
    assert sorted(rows) == sorted(
        (row[3], total[1]) for row, total in expected.items() if row[0] == 86400 and row[2] == "country"
    )
    carts = [(record.value or b"").decode() for record in read_committed(settings, settings.carts_topic)]
    assert sorted(carts) == sorted(message.cart_line for message in counted if message.cart_line)
    assert ops(environment, "verify").returncode == 0


def test_another_consumer_with_our_group_id(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """It commits offsets of its own for our group; the dataflow does not read them."""
    sent = traffic(6000, seed=42)
    send(settings, sent[:3000])
    stop = threading.Event()
    own: dict[str, Any] = {"group_id": settings.kafka_group_id, "auto_offset_reset": "earliest"}
    own["auto_commit_interval_ms"] = 100
    other = Consumer(kafka_config.client_config(settings, **own))
    other.subscribe([settings.visits_topic])

    def consume() -> None:
        while not stop.is_set():
            other.consume(100, 0.1)
        other.close()

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        with running(environment, tmp_path, workers=2):
            wait_until(lambda: progressed(settings) == 3000, deadline_s=60, what="3000 counted")
        send(settings, sent[3000:])
        run_to_end(environment, tmp_path)
    finally:
        stop.set()
        thread.join()
    check_all(settings, Truth(sent))


def test_the_groups_lag_is_shown(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Kafka's own tools show the lag: the group's offsets follow progress."""
    send(settings, traffic(2000, seed=43))
    with running(environment, tmp_path):
        consumer = Consumer(kafka_config.client_config(settings, group_id=settings.kafka_group_id))
        at = [TopicPartition(settings.visits_topic, partition) for partition in range(4)]
        expected = ends(settings, settings.visits_topic)
        wait_until(
            lambda: {found.partition: found.offset for found in consumer.committed(at, 10)} == expected,
            deadline_s=30,
            what=f"the group's offsets are {expected}",
        )
        consumer.close()
