"""What a database was provisioned for, compared with Kafka and the settings: no partition is taken when they differ."""

from typing import Any

from confluent_kafka.admin import AdminClient

from clients import kafka, mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from clients.sql import queries, schema_version
from operators.outputs import output_topics
from partition.pipeline import Fixed, Pipeline, Position, read_pipeline, read_positions, read_schema_version
from partition.position import missing_row_message
from process.errors import ExitCode, Fatal
from settings import Settings


def compare(settings: Settings, admin: AdminClient) -> Pipeline:
    """Compare database, topics and settings.

    :raises Fatal: a server is unavailable, or something is missing or different.
    """
    login = Login.dataflow(settings)
    try:
        connection = mariadb.connect(login)
        try:
            with translated(str(login)):
                cursor = connection.cursor()
                pipeline = read_pipeline(cursor)
                positions = read_positions(cursor, settings.visits_topic)
                version = read_schema_version(cursor)
                if pipeline:
                    _refuse_few_connections(cursor, pipeline.partitions)
        finally:
            connection.close()
    except (ConnectionLost, Transient) as error:
        raise mariadb.unavailable(error) from error
    if pipeline is None:
        raise Fatal(not_provisioned_message(settings.mariadb_database), ExitCode.CONFIG)
    refuse_other_schema(settings, version)
    refuse_other_settings(settings, pipeline)
    topics = kafka.describe(admin, settings, (settings.visits_topic, *output_topics(settings)))
    _refuse_other_topics(settings, topics, pipeline.topic_id, pipeline.partitions)
    kafka.refuse_compacted(admin, settings.visits_topic)
    refuse_other_rows(pipeline, positions)
    return pipeline


def refuse_other_schema(settings: Settings, version: int) -> None:
    """Refuse a database whose schema is older or newer than this program's.

    :raises Fatal: CONFIG.
    """
    needed, database = schema_version(), settings.mariadb_database
    if version < needed:
        message = (
            f"database {database!r} has schema version {version}, but {needed} is needed; run python -m ops provision"
        )
        raise Fatal(message, ExitCode.CONFIG)
    if version > needed:
        message = (
            f"database {database!r} has schema version {version}, but this program knows {needed}: use the version of "
            "it that upgraded the database"
        )
        raise Fatal(message, ExitCode.CONFIG)


def _refuse_few_connections(cursor: Any, partitions: int) -> None:
    cursor.execute(queries()["connection_limits"])
    server, user = cursor.fetchone()
    needed = partitions + 1  # and the one that has read this
    if needed > server:
        message = (
            f"one connection to MariaDB per partition, and one more: {needed} needed, {server} allowed; raise the "
            "server's max_connections"
        )
        raise Fatal(message, ExitCode.CONFIG)
    if needed > user > 0:
        message = (
            f"one connection to MariaDB per partition, and one more: {needed} needed, {user} allowed for this user; "
            "raise its limit (ALTER USER … WITH MAX_USER_CONNECTIONS, or the server's max_user_connections)"
        )
        raise Fatal(message, ExitCode.CONFIG)


def refuse_other_settings(settings: Settings, pipeline: Pipeline) -> None:
    """Refuse what must not change under a database.

    :raises Fatal: CONFIG, naming both values.
    """
    ours = {"VISITS_TOPIC": settings.visits_topic} | Fixed.of(settings).named()
    theirs = {"VISITS_TOPIC": pipeline.topic} | pipeline.fixed.named()
    for name in ours:
        if ours[name] != theirs[name]:
            message = (
                f"{name} is {ours[name]!r}, but database {settings.mariadb_database!r} was provisioned with "
                f"{theirs[name]!r}: "
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


def not_provisioned_message(database: str) -> str:
    """Return the message for a database in which table `pipeline` has no row."""
    return f"database {database!r} has not been provisioned; run python -m ops provision"


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


def refuse_other_rows(pipeline: Pipeline, positions: list[Position]) -> None:
    """Refuse positions that are missing, or of another topic of the same name: none is ever guessed.

    :raises Fatal: DATA.
    """
    foreign = sorted({position.topic_id for position in positions} - {pipeline.topic_id})
    if foreign:
        message = (
            f"progress has rows of topic {pipeline.topic!r} with id {', '.join(foreign)}, but the pipeline is of id "
            f"{pipeline.topic_id}; restore the database, or start over by python -m ops reset --yes"
        )
        raise Fatal(message, ExitCode.DATA)
    present = {position.partition for position in positions}
    missing = [partition for partition in range(pipeline.partitions) if partition not in present]
    if missing:
        raise Fatal(missing_row_message(pipeline.topic, missing), ExitCode.DATA)
