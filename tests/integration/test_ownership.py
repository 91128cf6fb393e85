"""Ownership: one owner at a time, positions read only when no other owner can move them, nothing guessed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer

from clients import kafka_config, mariadb
from clients.mariadb import Login
from partition.owner import PartitionOwner
from partition.position import PartitionConnection
from partition.tail import NOTHING
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.integration.parts import DEADLINE_S, owned, owner_of
from tests.support import ends, query, read_committed, wait_until

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")


@pytest.fixture
def administrator(settings: Settings) -> Iterator[Any]:
    """A connection of the administrator's, with transactions by hand."""
    connection = mariadb.connect(Login.admin(settings)._replace(database=settings.mariadb_database))
    connection.cursor().execute("SET SESSION idle_write_transaction_timeout = 0")
    yield connection
    connection.close()


def statements(settings: Settings) -> list[Any]:
    """Return what each connection of the dataflow is doing; None for one that does nothing."""
    listed = "SELECT INFO FROM information_schema.PROCESSLIST WHERE USER = ?"
    return [row[0] for row in query(settings, listed, (settings.mariadb_user,))]


def refusal(settings: Settings) -> Fatal:
    """Return the error that taking partition 0 ends with."""
    with pytest.raises(Fatal) as caught, owned(settings):
        pytest.fail("it was taken")
    return caught.value


def test_it_begins_with_nothing(settings: Settings) -> None:
    """A partition that nothing was counted of stands at its first offset, without outputs."""
    with owned(settings) as (owner, partition):
        assert owner.of(0).owned is partition
        assert (partition.start, owner.of(0).position) == (0, 0)
        assert partition.tails == ({"carts": NOTHING}, NOTHING)


def test_a_second_owner_names_the_holder_and_disturbs_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits a while, then refuses; the first one's lock and producer stay as they are."""
    wait = PartitionConnection.open
    monkeypatch.setattr(PartitionConnection, "open", lambda self, cancellation: wait(self, cancellation, wait_s=1))
    with owned(settings) as (_, first):
        refused = refusal(settings)
        assert refused.code == ExitCode.HELD
        assert f"topic '{settings.visits_topic}' partition 0 is owned by another dataflow" in refused.message
        holders = query(
            settings,
            "SELECT ID, USER, HOST FROM information_schema.PROCESSLIST WHERE USER = ?",
            (settings.mariadb_user,),
        )
        assert [f"connection {who[0]} of {who[1]}@{who[2]};" in refused.message for who in holders] == [True]
        first.producer.begin_transaction()
        first.producer.produce(settings.carts_topic, b"line", partition=0)
        first.producer.commit_transaction(30)
    with owned(settings):
        pass  # free again as soon as the first one has closed


def test_what_an_earlier_owner_left_open_is_aborted(settings: Settings) -> None:
    """Its producer is fenced before the tails are read: it can commit nothing more."""
    with owned(settings) as (_, earlier):
        earlier.producer.begin_transaction()
        earlier.producer.produce(settings.carts_topic, b"line", "key", partition=0)
        assert earlier.producer.flush(30) == 0
    with owned(settings) as (_, partition):
        assert partition.tails.lines["carts"] == NOTHING
        with pytest.raises(KafkaException) as caught:
            earlier.producer.commit_transaction(30)
        assert caught.value.args[0].fatal()
    assert read_committed(settings, settings.carts_topic) == []


def test_a_commit_under_way_is_waited_for(settings: Settings, administrator: Any) -> None:
    """A position read a moment too early would count twice."""
    administrator.cursor().execute("UPDATE progress SET next_offset = 77")
    owner = owner_of(settings)
    taking = owner.begin(0)
    try:
        wait_until(
            lambda: any(str(statement).startswith("SELECT next_offset") for statement in statements(settings)),
            deadline_s=30,
            what="it waits for the row",
        )
        administrator.commit()
        assert taking.result(DEADLINE_S).owned.start == 77
    finally:
        owner.release(0)


def test_another_producers_open_transaction_is_waited_for(settings: Settings) -> None:
    """It hides what lies behind it in the output topic: the partition is owned when it has ended."""
    foreign = Producer(kafka_config.client_config(settings, transactional_id=f"{settings.carts_topic}-foreign"))
    foreign.init_transactions(30)
    foreign.begin_transaction()
    foreign.produce(settings.carts_topic, b"foreign", partition=0)
    assert foreign.flush(30) == 0
    owner = owner_of(settings)
    taking = owner.begin(0)
    try:
        with pytest.raises(TimeoutError):
            taking.result(1)
        foreign.commit_transaction(30)
        assert taking.result(DEADLINE_S).owned.tails.lines["carts"] == NOTHING
    finally:
        owner.release(0)


def test_another_pipelines_outputs_are_refused(settings: Settings) -> None:
    """Before the producer is fenced: theirs still works."""
    with owned(settings) as (_, theirs):
        theirs.producer.begin_transaction()
        key = f"{theirs.pipeline.pipeline_id}/{theirs.pipeline.topic_id}/0/5"
        theirs.producer.produce(settings.carts_topic, b"line", key, partition=0)
        theirs.producer.commit_transaction(30)
    wait_until(lambda: ends(settings, settings.carts_topic) == {0: 2}, deadline_s=30, what="the commit is seen")
    query(settings, "UPDATE pipeline SET pipeline_id = ?", ("0" * 32,))
    refused = refusal(settings)
    assert refused.code == ExitCode.DATA
    assert f"topic '{settings.carts_topic}' partition 0 holds outputs of pipeline {key[:32]}" in refused.message
    theirs.producer.begin_transaction()
    theirs.producer.produce(settings.carts_topic, b"line", key, partition=0)
    theirs.producer.commit_transaction(30)


def test_a_row_that_is_gone_is_not_guessed(settings: Settings) -> None:
    """At the start, and also where it is deleted between the start and taking ownership."""
    owner = owner_of(settings)
    owner.pipeline()
    query(settings, "DELETE FROM progress")
    with pytest.raises(Fatal) as caught:
        owner.begin(0).result(DEADLINE_S)
    owner.release(0)
    refused = refusal(settings)
    assert refused.message == caught.value.message
    assert refused.code == caught.value.code == ExitCode.DATA
    assert refused.message.startswith(f"progress has no row for topic '{settings.visits_topic}' partition 0, although")
    wait_until(lambda: not statements(settings), deadline_s=30, what="no connection left")


def test_a_partition_of_another_process_has_no_committer_here(settings: Settings) -> None:
    """Source and sinks of a partition run on one worker; if they did not, nothing would be written."""
    with pytest.raises(Fatal, match="partition 0: its source and its sinks run in different processes") as caught:
        PartitionOwner(settings).of(0)
    assert caught.value.code == ExitCode.ABORTED


def test_ownership_cancelled_while_it_waits(settings: Settings) -> None:
    """It ends without the lock, and leaves no connection behind."""
    with owned(settings):
        owner = owner_of(settings)
        owner.begin(0)
        wait_until(
            lambda: any(str(statement).startswith("SELECT GET_LOCK") for statement in statements(settings)),
            deadline_s=30,
            what="the second owner waits for the lock",
        )
        owner.release(0)
        wait_until(lambda: len(statements(settings)) == 1, deadline_s=30, what="the first one's connection alone")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"security.protocol": "ssl"}, "SSL_HANDSHAKE"),
        (
            {"security.protocol": "sasl_plaintext", "sasl.mechanisms": "PLAIN"},
            "check the credentials in KAFKA_CONFIG_*",
        ),
    ],
    ids=["tls", "sasl"],
)
def test_a_wrong_way_to_log_in_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, config: dict[str, str], words: str
) -> None:
    """A listener that speaks neither TLS nor SASL: the message names more than a time-out."""
    monkeypatch.setattr(kafka_config, "REQUEST_TIMEOUT_S", 2.0)
    secret = {"sasl.username": "user", "sasl.password": "never shown"} if "sasl.mechanisms" in config else {}
    refused = refusal(replace(settings, kafka_config=config | secret))
    assert words in refused.message
    assert "never shown" not in refused.message
