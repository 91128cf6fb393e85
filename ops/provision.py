"""Create the topics, the database, its tables and users, and record where counting begins.

Safe to repeat: what exists stays, and no password of an existing user is changed. A topic that has grown gets
rows for its new partitions. What would make totals wrong is refused with one message, and nothing is changed.

Examples:
    python -m ops provision
    VISITS_PARTITIONS=16 python -m ops provision
    NAIVE_TIMEZONE=Europe/Berlin MARIADB_DATABASE=stats_berlin python -m ops provision
"""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from confluent_kafka import IsolationLevel
from confluent_kafka.admin import AdminClient, OffsetSpec

from clients import kafka, mariadb
from clients.mariadb import READ_TIMEOUT_S, ConnectionLost, Login, Transient, translated
from clients.sql import queries, quoted_name
from ops import accounts, schema, topics
from partition import provisioned
from partition.pipeline import Fixed, Pipeline, read_lock_secret, read_pipeline, read_positions
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

_LOCK_WAIT_S = 10

logger = logging.getLogger(__name__)


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Add none: everything comes from the environment."""


def main(_arguments: argparse.Namespace) -> int:
    """Provision what the environment names."""
    provision(Settings.from_environment())
    return 0


def provision(settings: Settings) -> None:
    """Create what is missing in Kafka and MariaDB, or refuse and change nothing.

    :raises Fatal: a server is unavailable or refuses, or the database was provisioned for something else.
    """
    with administration(settings) as connection:
        provision_through(connection, settings)


@contextmanager
def administration(settings: Settings, *, read_timeout_s: int = READ_TIMEOUT_S) -> Iterator[Any]:
    """Hold the administrator's connection and the lock for provisioning: one process at a time for each database.

    :raises Fatal: MariaDB is unavailable or refuses, or another process is provisioning.
    """
    login = Login.admin(settings)
    try:
        connection = mariadb.connect(login, read_timeout_s=read_timeout_s)
        try:
            with translated(str(login)):
                _lock(connection, settings)
                yield connection
        finally:
            connection.close()
    except (ConnectionLost, Transient) as error:
        raise mariadb.unavailable(error) from error


def _lock(connection: Any, settings: Settings) -> None:
    cursor = connection.cursor()
    deadline = Deadline(_LOCK_WAIT_S)
    while True:  # each wait is shorter than the connection's read time-out
        cursor.execute(queries()["lock_provisioning"], (settings.mariadb_database,))
        if cursor.fetchone() == (1,):
            return
        if deadline.passed:
            message = f"database {settings.mariadb_database!r} is being provisioned or reset by another process"
            raise Fatal(message, ExitCode.HELD)


def provision_through(connection: Any, settings: Settings) -> None:
    """Provision through the connection of `administration`; all is checked before the first change."""
    cursor = connection.cursor()
    admin = kafka.admin_client(settings)
    pipeline = stored_pipeline(connection, settings)
    _refuse_difference(admin, settings, pipeline)
    _refuse_gaps(connection, settings, pipeline)
    refuse_unfit(connection, settings)
    files = schema.applied(cursor, tables(connection, settings))
    schema.refuse_unknown(settings.mariadb_database, files)
    visits = topics.ensure_visits(admin, settings)
    cursor.execute(queries()["create_database"], (quoted_name(settings.mariadb_database),))
    mariadb.select_database(cursor, settings.mariadb_database)
    schema.upgrade(connection, files)
    _ensure_lock_secret(connection)
    topics.ensure_outputs(admin, settings, visits)
    accounts.ensure(cursor, settings)
    _insert_positions(connection, settings, visits, pipeline, admin)


def _ensure_lock_secret(connection: Any) -> None:
    cursor = connection.cursor()
    if read_lock_secret(cursor) is None:
        cursor.execute(queries()["insert_lock_secret"], (uuid4().hex,))
        connection.commit()


def refuse_unfit(connection: Any, settings: Settings) -> None:
    """Refuse what cannot be provisioned whatever the database holds; nothing is changed.

    :raises Fatal: a topic is compacted, or a user would have to be created without a password.
    """
    topics.refuse_unfit(kafka.admin_client(settings), settings)
    accounts.refuse_missing_passwords(connection.cursor(), settings)


def stored_pipeline(connection: Any, settings: Settings) -> Pipeline | None:
    """Return what the database was provisioned for; None if it was not. Selects the database if it exists."""
    return read_pipeline(connection.cursor()) if "pipeline" in tables(connection, settings) else None


def tables(connection: Any, settings: Settings) -> set[str]:
    """Return which of our tables the database has, and select it; none if there is no such database."""
    cursor = connection.cursor()
    cursor.execute(queries()["tables"], (settings.mariadb_database,))
    present = {row[0] for row in cursor.fetchall()}
    if present:
        mariadb.select_database(cursor, settings.mariadb_database)
    return present


def _refuse_difference(admin: AdminClient, settings: Settings, pipeline: Pipeline | None) -> None:
    if pipeline is None:
        return
    provisioned.refuse_other_settings(settings, pipeline)
    visits = kafka.describe(admin, settings, [pipeline.topic])[pipeline.topic]
    if visits is None:
        message = (
            f"topic {pipeline.topic!r} does not exist, but database {settings.mariadb_database!r} counts it (id "
            f"{pipeline.topic_id}): restore it, or start over by python -m ops reset --yes"
        )
        raise Fatal(message, ExitCode.DATA)
    if visits.topic_id != pipeline.topic_id:
        raise Fatal(provisioned.recreated_message(visits, pipeline.topic_id), ExitCode.DATA)


def _refuse_gaps(connection: Any, settings: Settings, pipeline: Pipeline | None) -> None:
    cursor, present = connection.cursor(), tables(connection, settings)
    positions = read_positions(cursor, settings.visits_topic) if "progress" in present else []
    if pipeline is not None:
        provisioned.refuse_other_rows(pipeline, positions)
        return
    counted = False
    if "window_totals" in present:
        cursor.execute(queries()["any_totals"])
        counted = cursor.fetchone() != (0,)
    if positions or counted:
        message = (
            f"database {settings.mariadb_database!r} holds totals or positions, but not what they belong to (table "
            "pipeline is empty): restore it, or start over by python -m ops reset --yes"
        )
        raise Fatal(message, ExitCode.DATA)


def _insert_positions(
    connection: Any, settings: Settings, visits: kafka.Topic, pipeline: Pipeline | None, admin: AdminClient
) -> None:
    """Insert rows for the partitions that have none, and their number, in one transaction."""
    new = range(pipeline.partitions if pipeline else 0, visits.partitions)
    if not new:
        return
    first = kafka.offsets(admin, visits.name, new, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)
    cursor = connection.cursor()
    if pipeline is None:
        *whose, fixed = _new_pipeline(settings, visits)
        cursor.execute(queries()["insert_pipeline"], (*whose, *fixed))
    else:
        cursor.execute(queries()["note_partitions"], (visits.partitions,))
    rows = [(visits.topic_id, visits.name, partition, first[partition], first[partition]) for partition in new]
    cursor.executemany(queries()["insert_position"], rows)
    connection.commit()
    name = settings.mariadb_database
    logger.info("database %s: counting begins for partitions %d-%d of %s", name, new[0], new[-1], visits.name)


def _new_pipeline(settings: Settings, visits: kafka.Topic) -> Pipeline:
    return Pipeline(uuid4().hex, visits.name, visits.topic_id, visits.partitions, Fixed.of(settings))
