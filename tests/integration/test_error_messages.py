"""What keeps the dataflow from running is one message that names the thing, the value and the cure."""

from pathlib import Path

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from clients import kafka
from ops.servers.processes import free_port
from settings import Settings
from tests.pipeline import running
from tests.support import query

CONFIG, DATA, UNAVAILABLE = 78, 65, 69


def refused(environment: dict[str, str], folder: Path, *, workers: int = 4) -> tuple[int, str]:
    """Run the dataflow; return its code and its one error message."""
    with running(environment | {"STOP_AT_END": "1"}, folder, workers=workers) as dataflow:
        (code,) = dataflow.wait(60)
        lines = [line for line in dataflow.output().splitlines() if " INFO " not in line]
    assert len(lines) == 1, "\n".join(lines)
    assert " CRITICAL " in lines[0]
    return code, lines[0]


def contents(settings: Settings) -> list[tuple[object, ...]]:
    tables = ("pipeline", "progress", "window_totals")
    return [row for table in tables for row in query(settings, f"SELECT * FROM {table}")]  # noqa: S608


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:{port}"}, UNAVAILABLE, "KAFKA_BOOTSTRAP_SERVERS"),
        ({"MARIADB_PORT": "{port}"}, UNAVAILABLE, "MARIADB_PORT"),
        ({"MARIADB_PASSWORD": "wrong"}, CONFIG, "check this user and its password"),
        ({"MARIADB_DATABASE": "never_provisioned"}, CONFIG, "python -m ops provision"),
        ({"VISITS_TOPIC": "never.provisioned"}, CONFIG, "VISITS_TOPIC"),
        ({"CARTS_TOPIC": "never.created"}, CONFIG, "'never.created' does not exist; run python -m ops provision"),
        ({"WINDOW_LENGTHS_S": "5,60"}, CONFIG, "WINDOW_LENGTHS_S is '5,60', but database"),
        ({"NAIVE_TIMEZONE": "Europe/Berlin"}, CONFIG, "NAIVE_TIMEZONE is 'Europe/Berlin', but database"),
        ({"KAFKA_CONFIG_NO_SUCH_THING": "1"}, CONFIG, "KAFKA_CONFIG_NO_SUCH_THING is '1', but librdkafka refuses it"),
        ({"KAFKA_CONFIG_MESSAGE_TIMEOUT_MS": "300000"}, CONFIG, "KAFKA_CONFIG_MESSAGE_TIMEOUT_MS is '300000', but"),
        ({"KAFKA_CONFIG_FETCH_MAX_BYTES": "1000"}, CONFIG, "KAFKA_CONFIG_FETCH_MAX_BYTES is '1000', but librdkafka"),
        ({"KAFKA_CONFIG_SECURITY_PROTOCOL": "magic"}, CONFIG, "KAFKA_CONFIG_"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_clear_message_and_nothing_changed(
    settings: Settings,
    environment: dict[str, str],
    tmp_path: Path,
    variables: dict[str, str],
    code: int,
    words: str,
) -> None:
    """Unavailable, refused, not provisioned, missing or different: its message, its code, an unchanged database."""
    before = contents(settings)
    port = free_port()
    variables = {name: value.format(port=port) for name, value in variables.items()}
    ended, message = refused(environment | variables, tmp_path)
    assert ended == code, message
    assert words in message
    assert contents(settings) == before


def test_an_output_topic_with_too_few_partitions(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """A visit's outputs go to the partition that it came from."""
    few = f"{settings.carts_topic}.few"
    admin = kafka.admin_client(settings)
    admin.create_topics([NewTopic(few, num_partitions=1)])[few].result()
    try:
        code, message = refused(environment | {"CARTS_TOPIC": few}, tmp_path)
    finally:
        admin.delete_topics([few])[few].result()
    assert code == CONFIG
    assert f"topic '{few}' has 1 partitions, but 4 are needed; run python -m ops provision" in message


def test_a_compacted_input_is_refused(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Compaction deletes visits that have a key."""
    resource = ConfigResource(
        ConfigResource.Type.TOPIC,
        settings.visits_topic,
        incremental_configs=[ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)],
    )
    admin = kafka.admin_client(settings)
    admin.incremental_alter_configs([resource])[resource].result()
    code, message = refused(environment, tmp_path)
    assert code == CONFIG
    assert "cleanup.policy=compact" in message


def test_a_progress_row_is_never_guessed(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """A new row would count everything twice."""
    query(settings, "DELETE FROM progress WHERE kafka_partition = 2")
    before = contents(settings)
    code, message = refused(environment, tmp_path)
    assert code == DATA
    assert f"progress has no row for topic '{settings.visits_topic}' partition 2" in message
    assert contents(settings) == before
