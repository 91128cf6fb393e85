"""`python -m ops reset --yes`: everything or nothing, and never under a running dataflow."""

from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from clients import kafka, mariadb
from clients.mariadb import Login
from ops.__main__ import main
from ops.provision import provision
from ops.reset import reset
from partition.position import PartitionConnection
from partition.producer import fenced_producer
from process.cancellation import Cancellation
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.support import produce, query, read_committed

POSITIONS = "SELECT kafka_partition, first_offset, next_offset, messages FROM progress ORDER BY 1"


def _topic_id(settings: Settings) -> str:
    topic = kafka.describe(kafka.admin_client(settings), settings, [settings.visits_topic])[settings.visits_topic]
    assert topic is not None
    return topic.topic_id


@pytest.fixture
def used(settings: Settings) -> Settings:
    """Totals, positions and outputs, as a dataflow leaves them."""
    query(settings, "INSERT INTO window_totals VALUES (5, '2026-01-01', 'action', 'FAQ', 1, 1)")
    query(settings, "UPDATE progress SET next_offset = 9, messages = 9, visits = 9")
    for topic in (settings.carts_topic, settings.rejected_topic):
        produce(replace(settings, visits_topic=topic, carts_topic=settings.visits_topic), [(0, b"a"), (3, b"b")])
    return settings


def _counts(settings: Settings) -> tuple[list[tuple[object, ...]], int, int, int]:
    totals = len(query(settings, "SELECT * FROM window_totals"))
    outputs = [len(read_committed(settings, topic)) for topic in (settings.carts_topic, settings.rejected_topic)]
    return query(settings, POSITIONS), totals, outputs[0], outputs[1]


EMPTY = ([(partition, 0, 0, 0) for partition in range(4)], 0, 0, 0)


def test_it_deletes_totals_positions_and_outputs(used: Settings) -> None:
    """The next run counts the whole log again, as another pipeline."""
    before = query(used, "SELECT pipeline_id, topic_id FROM pipeline")
    reset(used)
    after = query(used, "SELECT pipeline_id, topic_id FROM pipeline")
    assert _counts(used) == EMPTY
    assert after[0][0] != before[0][0]
    assert after[0][1] == before[0][1] == _topic_id(used)


def test_it_ends_while_a_dataflow_owns_a_partition(used: Settings) -> None:
    """One partition is enough; nothing is changed, and the message names the holder."""
    before = _counts(used)
    owner = PartitionConnection(Login.dataflow(used), used.visits_topic, _topic_id(used), 2)
    owner.open(Cancellation())
    with pytest.raises(Fatal, match=rf"partition 2 is owned by .* of {used.mariadb_user}@") as refused:
        reset(used)
    owner.close()
    assert refused.value.code == ExitCode.HELD
    assert _counts(used) == before
    reset(used)
    assert _counts(used) == EMPTY


def test_an_earlier_producer_commits_nothing_more(used: Settings) -> None:
    """A dataflow that lost its connection to MariaDB holds no lock, but may have outputs of the old pipeline left."""
    producer = fenced_producer(used, 3)
    producer.begin_transaction()
    producer.produce(used.carts_topic, "a cart of the old pipeline", partition=3)
    producer.flush(30)
    reset(used)
    with pytest.raises(KafkaException) as refused:
        producer.commit_transaction(30)
    assert refused.value.args[0].code() == KafkaError._FENCED
    assert _counts(used) == EMPTY


@pytest.mark.parametrize(
    ("variables", "policy", "message"),
    [
        (
            {"MARIADB_READER_USER": "nobody_yet", "MARIADB_READER_PASSWORD": ""},
            "delete",
            "MARIADB_READER_PASSWORD is empty",
        ),
        ({}, "compact,delete", "cleanup.policy=compact,delete"),
    ],
)
def test_what_provision_would_refuse_is_refused_before_anything_is_cleared(
    used: Settings, environment: dict[str, str], variables: dict[str, str], policy: str, message: str
) -> None:
    """Totals, positions and outputs stay."""
    resource = ConfigResource(ResourceType.TOPIC, used.rejected_topic)
    resource.add_incremental_config(ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET))
    admin = kafka.admin_client(used)
    admin.incremental_alter_configs([resource])[resource].result()
    before = _counts(used), query(used, "SELECT pipeline_id FROM pipeline")
    with pytest.raises(Fatal, match=message) as refused:
        reset(Settings.from_environment(environment | variables))
    assert refused.value.code == ExitCode.CONFIG
    assert (_counts(used), query(used, "SELECT pipeline_id FROM pipeline")) == before


@pytest.mark.parametrize(
    "left",
    [
        ["DELETE FROM pipeline"],
        ["DELETE FROM pipeline", "DELETE FROM progress"],
        ["DELETE FROM pipeline", "DELETE FROM progress", "TRUNCATE window_totals"],
    ],
)
def test_a_crash_while_it_cleared_is_completed_by_running_it_again(used: Settings, left: list[str]) -> None:
    """Whatever it had cleared, the second run completes it."""
    for statement in left:
        query(used, statement)
    reset(used)
    assert _counts(used) == EMPTY


def test_a_crash_before_the_outputs_were_emptied_is_completed_by_running_it_again(used: Settings) -> None:
    """Provisioned anew, the outputs not emptied yet: the second run empties them."""
    for statement in ("DELETE FROM pipeline", "DELETE FROM progress", "TRUNCATE window_totals"):
        query(used, statement)
    provision(used)
    assert _counts(used) == (EMPTY[0], 0, 2, 2)
    reset(used)
    assert _counts(used) == EMPTY


def test_it_replaces_a_deleted_position(used: Settings) -> None:
    """Provision refuses to."""
    query(used, "DELETE FROM progress WHERE kafka_partition = 1")
    reset(used)
    assert _counts(used) == EMPTY


def test_it_accepts_other_window_lengths(used: Settings, environment: dict[str, str]) -> None:
    """Provision and the dataflow refuse them."""
    reset(Settings.from_environment(environment | {"WINDOW_LENGTHS_S": "10,60"}))
    assert query(used, "SELECT window_lengths_s FROM pipeline") == [("10,60",)]


def test_it_works_where_nothing_has_been_provisioned(environment: dict[str, str]) -> None:
    """It provisions."""
    settings = Settings.from_environment(environment)
    reset(settings)
    assert _counts(settings) == EMPTY


def test_without_yes_it_does_nothing(
    used: Settings, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message names what would be deleted."""
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    before = _counts(used)
    assert main(["reset"]) == ExitCode.CONFIG
    assert _counts(used) == before
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert used.mariadb_database in message
    assert "reset --yes" in message
    mariadb.connect(Login.reader(used)).close()
