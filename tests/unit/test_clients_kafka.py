"""How clients are configured, and how Kafka's errors read."""

import pytest
from confluent_kafka import KafkaError, KafkaException

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


def test_a_wrong_variable_is_named() -> None:
    """librdkafka refuses a value: the message names it."""
    wrong = Settings(kafka_config={"security.protocol": "magic"})
    with pytest.raises(Fatal, match=r"security\.protocol.*check the KAFKA_CONFIG_\* variables") as caught:
        kafka.admin_client(wrong)
    assert caught.value.code == ExitCode.CONFIG
