"""How clients are configured, and how Kafka's errors read."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from clients import kafka, kafka_config
from process.errors import ExitCode, Fatal
from settings import Settings

SETTINGS = Settings(
    kafka_bootstrap_servers="kafka:9092", kafka_config={"linger.ms": "7", "acks": "1", "client.id": "shop"}
)


@pytest.fixture(autouse=True)
def _no_connection_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection of an earlier test has met an error."""
    monkeypatch.setattr(kafka_config, "connection_errors", kafka_config.ConnectionErrors())


def test_whose_word_counts() -> None:
    """The user's overrides our tuning; what promises rest on overrides the user's."""
    config = kafka_config.client_config(SETTINGS, {"linger_ms": 5, "fetch_wait_max_ms": 10}, acks="all")
    expected = {"bootstrap.servers": "kafka:9092", "linger.ms": "7", "fetch.wait.max.ms": 10, "acks": "all"}
    assert expected.items() <= config.items()
    assert config["client.id"] == "shop"


@pytest.mark.parametrize(
    ("error", "code", "cure"),
    [
        (KafkaError._INVALID_ARG, ExitCode.CONFIG, "check the KAFKA_CONFIG_* variables"),
        (KafkaError._AUTHENTICATION, ExitCode.CONFIG, "check the credentials in KAFKA_CONFIG_* and the topics' ACLs"),
        (KafkaError._SSL, ExitCode.CONFIG, "check the credentials in KAFKA_CONFIG_* and the topics' ACLs"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, ExitCode.CONFIG, "and the topics' ACLs"),
        (KafkaError._TRANSPORT, ExitCode.UNAVAILABLE, "is KAFKA_BOOTSTRAP_SERVERS right?"),
        (KafkaError._TIMED_OUT, ExitCode.UNAVAILABLE, "is KAFKA_BOOTSTRAP_SERVERS right?"),
        (KafkaError._MSG_TIMED_OUT, ExitCode.UNAVAILABLE, "is KAFKA_BOOTSTRAP_SERVERS right?"),
        (KafkaError.UNKNOWN, ExitCode.ABORTED, "UNKNOWN: Kafka's text"),
    ],
)
def test_an_error_is_one_line_with_its_cure(error: int, code: ExitCode, cure: str) -> None:
    """It contains what was tried, Kafka's text, and what to look at."""
    with pytest.raises(Fatal) as caught, kafka.translated("reading topic 'visits'"):
        raise KafkaException(KafkaError(error, "Kafka's text"))
    assert caught.value.code == code
    assert caught.value.message.startswith("reading topic 'visits': ")
    assert "Kafka's text" in caught.value.message
    assert caught.value.message.endswith(cure)
    assert "\n" not in caught.value.message


def test_a_time_out_names_what_the_connections_met() -> None:
    """A request that times out has no cause; the last error of a connection has."""
    record = kafka_config.client_config(SETTINGS)["error_cb"]
    record(KafkaError(KafkaError._RESOLVE, "no such host"))
    record(KafkaError(KafkaError._ALL_BROKERS_DOWN, "no cause"))
    fatal = kafka.fatal_of(KafkaError(KafkaError._TIMED_OUT, "timed out"), "Kafka at kafka:9092")
    assert fatal.code == ExitCode.UNAVAILABLE
    assert "(no such host)" in fatal.message
    record(KafkaError(KafkaError._AUTHENTICATION, "wrong password"))
    fatal = kafka.fatal_of(KafkaError(KafkaError._TIMED_OUT, "timed out"), "Kafka at kafka:9092")
    assert fatal.code == ExitCode.CONFIG
    assert "wrong password" in fatal.message


TRANSACTIONAL = {"transactional_id": "carts-0", "transaction_timeout_ms": 10_000}


@pytest.mark.parametrize(
    ("kind", "own", "variable", "value", "text"),
    [
        (Producer, TRANSACTIONAL, "MESSAGE_TIMEOUT_MS", "300000", "must be set <= `transaction.timeout.ms`"),
        (Producer, TRANSACTIONAL, "DELIVERY_TIMEOUT_MS", "60000", "must be set <= `transaction.timeout.ms`"),
        (Producer, TRANSACTIONAL, "SOCKET_TIMEOUT_MS", "60000", "must be set <= `transaction.timeout.ms` + 100"),
        (Producer, TRANSACTIONAL, "RETRIES", "0", "must be set >= 1"),
        (Producer, {"enable_idempotence": True}, "MAX_IN_FLIGHT", "10", "must be set <= 5"),
        (Producer, {"enable_idempotence": True}, "QUEUING_STRATEGY", "lifo", "must be set to `fifo`"),
        (Consumer, {"group_id": "group"}, "MAX_POLL_INTERVAL_MS", "1000", "must be >= `session.timeout.ms`"),
        (Consumer, {"group_id": "group"}, "FETCH_MAX_BYTES", "1000", "must be >= `message.max.bytes`"),
        (AdminClient, {}, "ENABLE_GAPLESS_GUARANTEE", "true", "requires `enable.idempotence`"),
        (AdminClient, {}, "BATCH_NUM_MESSAGES", "0", "outside allowed range 1..1000000"),
        (AdminClient, {}, "NO_SUCH_THING", "1", 'No such configuration property: "no.such.thing"'),
    ],
)
def test_a_variable_that_does_not_fit_a_client_is_named(
    kind: Callable[[dict[str, Any]], object], own: dict[str, Any], variable: str, value: str, text: str
) -> None:
    """With its value and the cure, also where a relation to a value of ours is wrong, among others that are right."""
    others = {"KAFKA_CONFIG_CLIENT_ID": "shop", "KAFKA_CONFIG_STATISTICS_INTERVAL_MS": "1000"}
    settings = Settings.from_environment(others | {f"KAFKA_CONFIG_{variable}": value})
    with pytest.raises(Fatal) as caught:
        kafka_config.created(kind, settings, kafka_config.client_config(settings, **own))
    assert caught.value.code == ExitCode.CONFIG
    assert caught.value.message.startswith(f"KAFKA_CONFIG_{variable} is {value!r}, but librdkafka refuses it here: ")
    assert caught.value.message.endswith("; change it, or set it for the program alone that needs it")
    assert text in caught.value.message
    assert "\n" not in caught.value.message


def test_of_two_that_do_not_fit_one_is_named() -> None:
    """With what is wrong about it."""
    settings = Settings(kafka_config={"max.in.flight": "10", "retries": "0"})
    with pytest.raises(Fatal, match=r"KAFKA_CONFIG_RETRIES is '0', but .*`retries` must be set >= 1"):
        kafka_config.created(Producer, settings, kafka_config.client_config(settings, enable_idempotence=True))


def test_no_password_is_shown_for_one_that_does_not_fit() -> None:
    """What belongs to the connection is not searched."""
    settings = Settings(kafka_config={"sasl.password": "never shown", "security.protocol": "magic"})
    with pytest.raises(Fatal) as caught:
        kafka.admin_client(settings)
    assert "security.protocol" in caught.value.message
    assert "never shown" not in caught.value.message


def test_a_wrong_variable_is_named() -> None:
    """librdkafka refuses a value: the message names it."""
    wrong = Settings(kafka_config={"security.protocol": "magic"})
    with pytest.raises(Fatal, match=r"security\.protocol.*check the KAFKA_CONFIG_\* variables") as caught:
        kafka.admin_client(wrong)
    assert caught.value.code == ExitCode.CONFIG
