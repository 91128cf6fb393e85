"""Kafka ends a transaction, for one of several reasons: the error message names which, and the next owner has all."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka import Producer

from clients import kafka
from ops.provision import provision
from ops.servers import Servers
from ops.servers.kafka import Kafka
from ops.servers.notes import Notes
from ops.servers.processes import free_port
from partition.ownership import OwnedPartition
from partition.producer import fenced_producer
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.faults.administrator import kill_connections
from tests.integration.parts import owned
from tests.integration.test_kafka_sink import Interrupted, batch, sink_of, transaction_of, values
from tests.proxy import Proxy
from tests.support import ends, own_names, remove, wait_until

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")

ABORTED = 3  # the end of a topic with two carts and the control record that aborts them


class _Reachable(Kafka):
    """A broker with a second listener, which its clients reach through a proxy alone."""

    def __init__(self, directory: Path) -> None:
        self._through = free_port()
        self.proxy = Proxy("127.0.0.1", self._through)
        super().__init__(directory, Notes())

    def _configure(self) -> Path:
        path = super()._configure()
        text = path.read_text(encoding="utf-8")
        text = text.replace("\nlisteners=", f"\nlisteners=CLIENTS://127.0.0.1:{self._through},")
        text = text.replace("advertised.listeners=", f"advertised.listeners=CLIENTS://127.0.0.1:{self.proxy.port},")
        text = text.replace("protocol.map=", "protocol.map=CLIENTS:PLAINTEXT,")
        path.write_text(f"{text}inter.broker.listener.name=PLAINTEXT\n", encoding="utf-8")
        return path


@pytest.fixture
def broker(servers: Servers, tmp_path: Path) -> Iterator[_Reachable]:
    """A Kafka whose network a test can cut."""
    if servers.kafka is None:
        pytest.skip("Kafka cannot be started here")
    broker = _Reachable(tmp_path)
    broker.start()
    yield broker
    broker.proxy.interrupt()
    broker.delete()


def ended_by(settings: Settings, partition: OwnedPartition, happens: Callable[[], None]) -> Fatal:
    """Return the error that a transaction ends with when this happens between its delivery and its commit."""
    partition.producer = cast(Producer, Interrupted(partition.producer, happens))
    with pytest.raises(Fatal) as caught:
        transaction_of(settings, partition, ["0", "1"]).run()
    return caught.value


def committed_by_the_next_owner(settings: Settings) -> list[bytes | None]:
    """Own the partition again, commit both carts, and return the carts' topic."""
    with sink_of(settings) as sink:
        sink.write(batch(0, 2, carts={0: "0", 1: "1"}))
    return values(settings, settings.carts_topic)


def wait_for_the_abort(settings: Settings) -> None:
    """Wait until Kafka has aborted the open transaction by itself."""
    wait_until(lambda: ends(settings, settings.carts_topic) == {0: ABORTED}, deadline_s=60, what="Kafka's abort")


def test_a_network_that_is_down_for_longer_than_a_transaction(broker: _Reachable, servers: Servers) -> None:
    """Kafka was unavailable: it is no other copy's fault."""
    inside = own_names(servers) | {"VISITS_PARTITIONS": "1", "KAFKA_BOOTSTRAP_SERVERS": broker.address}
    settings = Settings.from_environment(inside | {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker.proxy.port}"})
    near = Settings.from_environment(inside)
    provision(near)

    def cut() -> None:
        broker.proxy.interrupt()
        threading.Thread(target=restore).start()

    def restore() -> None:
        wait_for_the_abort(near)
        broker.proxy.open()

    try:
        with owned(settings) as (_, partition):
            ended = ended_by(settings, partition, cut)
        assert ended.code == ExitCode.UNAVAILABLE, ended.message
        assert "): Kafka has not answered in time (" in ended.message
        assert committed_by_the_next_owner(settings) == [b"0", b"1"]
    finally:
        remove(near)


def test_a_process_that_stood_still(settings: Settings) -> None:
    """For longer than a transaction may be open."""
    with owned(settings) as (_, partition):
        ended = ended_by(settings, partition, lambda: wait_for_the_abort(settings))
    assert ended.code == ExitCode.ABORTED
    assert "): this process stood still for " in ended.message
    assert committed_by_the_next_owner(settings) == [b"0", b"1"]


@pytest.mark.parametrize("topic", ["carts_topic", "rejected_topic"])
def test_a_deleted_topic(settings: Settings, topic: str) -> None:
    """Its name, and what to do."""
    name = getattr(settings, topic)
    admin = kafka.admin_client(settings)
    with sink_of(settings) as sink:
        sink.write(batch(0, 2, carts={0: "0"}, rejects={1: b"?"}))
        admin.delete_topics([name])[name].result()
        wait_until(lambda: kafka.describe(admin, settings, [name])[name] is None, deadline_s=30, what="it is gone")
        with pytest.raises(Fatal) as caught:
            sink.write(batch(2, 4, carts={2: "2"}, rejects={3: b"?"}))
    assert caught.value.code == ExitCode.CONFIG, caught.value.message
    assert f"topic '{name}' has been deleted (" in caught.value.message
    assert caught.value.message.endswith("restore it, or create an empty one by python -m ops provision")


@pytest.mark.parametrize(
    ("lock_lost", "words"),
    [
        (False, "another producer has transactional.id '{carts}-0', although this process holds the partition's lock"),
        (True, "another copy has taken the partition, after this process had lost its lock in MariaDB"),
    ],
    ids=["of another database", "of a copy"],
)
def test_another_producer(settings: Settings, lock_lost: bool, words: str) -> None:
    """Of another dataflow with the same topic of carts, or of a copy that has taken the partition properly."""
    with owned(settings) as (_, partition):

        def taken() -> None:
            if lock_lost:
                kill_connections(settings)
                with owned(settings):
                    pass
            else:
                fenced_producer(settings, 0)

        ended = ended_by(settings, partition, taken)
    assert ended.code == ExitCode.ABORTED
    assert words.format(carts=settings.carts_topic) in ended.message
    assert committed_by_the_next_owner(settings) == [b"0", b"1"]
