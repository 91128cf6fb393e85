"""What a database was provisioned for, compared with Kafka and the settings: nothing that differs is claimed."""

from typing import NamedTuple

from confluent_kafka.admin import AdminClient

from clients import kafka, mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from clients.sql import queries
from operators.decode import DECODE_VERSION
from partition.position import missing_row_message
from process.errors import ExitCode, Fatal
from settings import Settings


class Provisioned(NamedTuple):
    """What the database was provisioned for, compared with Kafka and the settings."""

    pipeline_id: str
    topic_id: str
    partitions: int


def compare(settings: Settings, admin: AdminClient) -> Provisioned:
    """Compare database, topics and settings.

    :raises Fatal: one line for what is away, missing or different.
    """
    login = Login.dataflow(settings)
    try:
        connection = mariadb.connect(login)
        try:
            with translated(str(login)):
                cursor = connection.cursor()
                cursor.execute(queries()["read_pipeline"])
                pipeline = cursor.fetchone()
                cursor.execute(queries()["read_progress"], (settings.visits_topic,))
                rows = cursor.fetchall()
        finally:
            connection.close()
    except (ConnectionLost, Transient) as error:
        raise mariadb.unavailable(error) from error
    if pipeline is None:
        message = f"database {login.database!r} has not been provisioned; run python -m ops provision"
        raise Fatal(message, ExitCode.CONFIG)
    pipeline_id, topic, topic_id, partitions = pipeline[:4]
    refuse_other_settings(settings, topic, pipeline[4:])
    names = (settings.visits_topic, settings.carts_topic, settings.rejected_topic)
    topics = kafka.describe(admin, settings, names)
    _refuse_other_topics(settings, topics, topic_id, partitions)
    kafka.refuse_compacted(admin, settings.visits_topic)
    refuse_other_rows(settings.visits_topic, topic_id, partitions, rows)
    return Provisioned(pipeline_id, topic_id, partitions)


def refuse_other_settings(settings: Settings, topic: str, stored: tuple[str, str, int]) -> None:
    """Refuse what must not change under a database.

    :raises Fatal: CONFIG, naming both values.
    """
    lengths, zone, version = stored
    differences = (
        ("VISITS_TOPIC", settings.visits_topic, topic),
        ("WINDOW_LENGTHS_S", ",".join(map(str, settings.window_lengths_s)), lengths),
        ("NAIVE_TIMEZONE", settings.naive_timezone.key if settings.naive_timezone else "", zone),
        ("the version of the decode rules", DECODE_VERSION, version),
    )
    for name, ours, theirs in differences:
        if ours != theirs:
            message = (
                f"{name} is {ours!r}, but database {settings.mariadb_database!r} was provisioned with {theirs!r}: "
                "go back to that, or start over by python -m ops reset --yes, which counts the whole log again"
            )
            raise Fatal(message, ExitCode.CONFIG)


def _refuse_other_topics(
    settings: Settings, topics: dict[str, kafka.Topic | None], topic_id: str, partitions: int
) -> None:
    for name, topic in topics.items():
        if topic is None:
            message = f"topic {name!r} does not exist; run python -m ops provision"
            raise Fatal(message, ExitCode.CONFIG)
        if topic.partitions < partitions:
            message = (
                f"topic {name!r} has {topic.partitions} partitions, but {partitions} are needed; "
                "run python -m ops provision"
            )
            raise Fatal(message, ExitCode.CONFIG)
    visits = topics[settings.visits_topic]
    if visits and visits.topic_id != topic_id:
        raise Fatal(recreated_message(visits, topic_id), ExitCode.DATA)
    if visits and visits.partitions > partitions:
        raise Fatal(grown_message(visits, partitions), ExitCode.CONFIG)


def recreated_message(topic: kafka.Topic, topic_id: str) -> str:
    """Return the line for a topic that is another one of the same name."""
    return (
        f"topic {topic.name!r} has id {topic.topic_id}, but the database counts the one with id {topic_id}: it was "
        "deleted and created anew; restore it, or start over by python -m ops reset --yes"
    )


def grown_message(topic: kafka.Topic, partitions: int) -> str:
    """Return the line for a topic that has more partitions than were provisioned."""
    return (
        f"topic {topic.name!r} has {topic.partitions} partitions, but {partitions} are provisioned; "
        "run python -m ops provision, then start again"
    )


def refuse_other_rows(topic: str, topic_id: str, partitions: int, rows: list[tuple[str, int, int, int]]) -> None:
    """Refuse positions that are missing, or of another topic of the same name: none is ever guessed.

    `rows` are topic_id, partition, first and next offset.

    :raises Fatal: DATA.
    """
    strange = sorted({row[0] for row in rows} - {topic_id})
    if strange:
        message = (
            f"progress has rows of topic {topic!r} with id {', '.join(strange)}, but the pipeline is of id "
            f"{topic_id}; restore the database, or start over by python -m ops reset --yes"
        )
        raise Fatal(message, ExitCode.DATA)
    present = {row[1] for row in rows}
    missing = [partition for partition in range(partitions) if partition not in present]
    if missing:
        raise Fatal(missing_row_message(topic, missing), ExitCode.DATA)
