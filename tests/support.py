"""What tests on real servers share: waiting, producing, reading back, querying the database."""

import http.client
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar, cast
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, IsolationLevel, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec

from clients import kafka, kafka_config, mariadb
from clients.headers import headers_of
from clients.mariadb import Login
from ops.servers import ROOT, Servers
from settings import KAFKA_CONFIG_PREFIX, Settings, variable_of

Found = TypeVar("Found")


class Record(NamedTuple):
    """A message as it is stored in Kafka."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int


def wait_until(condition: Callable[[], Found | None], *, deadline_s: float, what: str | Callable[[], str]) -> Found:
    """Return the condition's first true value; fail, naming what was awaited, after the deadline."""
    deadline = time.monotonic() + deadline_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"after {deadline_s:.0f} s still not: {what if isinstance(what, str) else what()}")
        time.sleep(0.02)
    return found


def is_served(port: str) -> bool:
    """Return whether the leaderboard's page is served at this port of 127.0.0.1."""
    page = http.client.HTTPConnection("127.0.0.1", int(port), timeout=5)
    try:
        page.request("GET", "/")
        return page.getresponse().status == 200
    except OSError:
        return False
    finally:
        page.close()


def own_names(servers: Servers) -> dict[str, str]:
    """Return the variables of a pipeline that shares nothing with another one but the servers."""
    name = f"test_{uuid4().hex[:12]}"
    passed_on = {
        variable: value
        for variable, value in os.environ.items()
        if variable.startswith(KAFKA_CONFIG_PREFIX) or variable == "MARIADB_TLS_CA"
    }
    return (
        passed_on
        | servers.environment()
        | {
            "VISITS_TOPIC": f"{name}.visits",
            "CARTS_TOPIC": f"{name}.carts",
            "REJECTED_TOPIC": f"{name}.rejected",
            "KAFKA_GROUP_ID": name,
            "MARIADB_DATABASE": name,
            "MARIADB_USER": f"{name}_flow",
            "MARIADB_PASSWORD": "p'a\"s\\s`1",
            "MARIADB_READER_USER": f"{name}_read",
            "MARIADB_READER_PASSWORD": "r'e\"a\\d`1",
        }
    )


def process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that has these settings and no others."""
    ours = {variable_of(spec) for spec in fields(Settings)}
    rest = {name: value for name, value in os.environ.items() if name not in ours}
    rest = {name: value for name, value in rest.items() if not name.startswith(KAFKA_CONFIG_PREFIX)}
    return {**rest, **environment, "PYTHONPATH": str(ROOT)}


def remove(settings: Settings) -> None:
    """Remove a test's topics, database and users, whichever exist."""
    admin = kafka.admin_client(settings)
    names = [settings.visits_topic, settings.carts_topic, settings.rejected_topic]
    present = [name for name, topic in kafka.describe(admin, settings, names).items() if topic]
    if present:
        for future in admin.delete_topics(present).values():
            future.result()
    connection = mariadb.connect(Login.admin(settings))
    cursor = connection.cursor()
    cursor.execute(f"DROP DATABASE IF EXISTS `{settings.mariadb_database}`")
    for user in (settings.mariadb_user, settings.mariadb_reader_user):
        cursor.execute("SELECT Host FROM mysql.user WHERE User = ?", (user,))
        for (host,) in cursor.fetchall():
            cursor.execute(f"DROP USER '{user}'@'{host}'")
    connection.close()


def produce(
    settings: Settings, messages: Iterable[tuple[int, bytes | str | None]], *, key: bytes | None = None
) -> None:
    """Send (partition, value) to the visits' topic, in order, and wait until all are delivered."""
    own: dict[str, Any] = {"message_max_bytes": kafka.MAX_MESSAGE_BYTES, "enable_idempotence": True, "linger_ms": 5}
    producer = Producer(kafka_config.client_config(settings, **own))
    errors: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            errors.append(error)

    for partition, value in messages:
        while True:
            try:
                producer.produce(settings.visits_topic, value, key, partition=partition, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
    left = producer.flush(240)
    assert (left, errors) == (0, [])


def ends(settings: Settings, topic: str) -> dict[int, int]:
    """Return the read_committed end of every partition."""
    return _offsets(settings, topic, OffsetSpec.latest())


def read_committed(settings: Settings, topic: str, *, deadline_s: float = 240) -> list[Record]:
    """Return the topic's committed records up to its present end, by partition and offset."""
    starts, reading = _offsets(settings, topic, OffsetSpec.earliest()), ends(settings, topic)
    own: dict[str, Any] = {"group_id": uuid4().hex, "isolation_level": "read_committed", "enable_auto_commit": False}
    own |= {"enable_partition_eof": True, "auto_offset_reset": "error"}
    consumer = Consumer(kafka_config.client_config(settings, **own))
    consumer.assign([TopicPartition(topic, partition, start) for partition, start in starts.items()])
    records: list[Record] = []
    deadline = time.monotonic() + deadline_s
    while reading:
        for message in consumer.consume(1000, 0.1):
            error = message.error()
            if error is None:
                records.append(_record(message))
            elif error.code() != KafkaError._PARTITION_EOF:
                pytest.fail(f"reading topic {topic}: {error}")
            elif kafka.offset_of(message) >= reading.get(_partition_of(message), 0):
                reading.pop(_partition_of(message), None)
        if time.monotonic() > deadline:
            pytest.fail(f"after {deadline_s:.0f} s topic {topic} is not read to {reading}")
    consumer.close()
    return sorted(records)


def query(settings: Settings, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return what the administrator sees in the test's database."""
    connection = wait_until(lambda: _connected(settings), deadline_s=60, what="a connection to MariaDB")
    try:
        cursor = connection.cursor(
            buffered=False
        )  # buffered, the pure Python connector takes minutes for a million rows
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        connection.commit()
        return rows
    finally:
        connection.close()


def _connected(settings: Settings) -> Any:
    try:
        return mariadb.connect(Login.admin(settings)._replace(database=settings.mariadb_database))
    except mariadb.ConnectionLost:
        return None


def _offsets(settings: Settings, topic: str, spec: OffsetSpec) -> dict[int, int]:
    admin = kafka.admin_client(settings)
    described = kafka.describe(admin, settings, [topic])[topic]
    assert described is not None, topic
    partitions = range(described.partitions)
    return kafka.offsets(admin, topic, partitions, spec, IsolationLevel.READ_COMMITTED)


def _record(message: Message) -> Record:
    headers = tuple(headers_of(message) or ())
    key, value, timestamp_ms = message.key(), message.value(), message.timestamp()[1]
    return Record(_partition_of(message), kafka.offset_of(message), key, value, headers, timestamp_ms)


def _partition_of(message: Message) -> int:
    return cast(int, message.partition())
