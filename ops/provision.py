"""Make the topics, the database, its tables and users, and note where counting begins.

Safe to repeat: what is there stays, and no password of an existing user is changed. A topic that has grown gets
rows for its new partitions. What would make totals wrong is refused with one line, and nothing is changed.

Examples:
    python -m ops provision
    VISITS_PARTITIONS=16 python -m ops provision
    NAIVE_TIMEZONE=Europe/Berlin MARIADB_DATABASE=stats_berlin python -m ops provision
"""

import argparse
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import uuid4

from confluent_kafka import IsolationLevel
from confluent_kafka.admin import AdminClient, OffsetSpec

from clients import kafka, mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from clients.sql import queries, schema
from ops import accounts, topics
from partition import provisioned
from process.errors import ExitCode, Fatal
from settings import Settings

_LOCK_WAIT_S = 10

logger = logging.getLogger(__name__)


class Stored(NamedTuple):
    """The row of table `pipeline`."""

    pipeline_id: str
    topic: str
    topic_id: str
    partitions: int
    window_lengths_s: str
    naive_timezone: str
    decode_version: int


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Add none: the environment says it all."""


def main(_arguments: argparse.Namespace) -> int:
    """Provision what the environment names."""
    provision(Settings.from_environment())
    return 0


def provision(settings: Settings) -> None:
    """Make what is missing in Kafka and MariaDB, or refuse and change nothing.

    :raises Fatal: a server is away or refuses, or the database was provisioned for something else.
    """
    with administration(settings) as connection:
        provision_through(connection, settings)


@contextmanager
def administration(settings: Settings) -> Iterator[Any]:
    """Hold the administrator's connection, and the right to provision: one at a time for each database.

    :raises Fatal: MariaDB is away or refuses, or somebody else is provisioning.
    """
    login = Login.admin(settings)
    try:
        connection = mariadb.connect(login)
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
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:  # each wait is shorter than the connection's read time-out
        cursor.execute(queries()["lock_provisioning"], (settings.mariadb_database,))
        if cursor.fetchone() == (1,):
            return
        if time.monotonic() > deadline:
            message = f"database {settings.mariadb_database!r} is being provisioned or reset by somebody else"
            raise Fatal(message, ExitCode.HELD)


def provision_through(connection: Any, settings: Settings) -> None:
    """Provision through the connection of `administration`; all is checked before the first change."""
    cursor = connection.cursor()
    admin = kafka.admin_client(settings)
    stored = read_pipeline(connection, settings)
    _refuse_difference(admin, settings, stored)
    _refuse_gaps(connection, settings, stored)
    refuse_unfit(connection, settings)
    visits = topics.ensure_visits(admin, settings)
    cursor.execute(queries()["create_database"], (settings.mariadb_database,))
    connection.select_db(settings.mariadb_database)
    for statement in schema():
        cursor.execute(statement)
    topics.ensure_outputs(admin, settings, visits)
    accounts.ensure(cursor, settings)
    _note_positions(connection, settings, visits, stored, admin)


def refuse_unfit(connection: Any, settings: Settings) -> None:
    """Refuse what cannot be provisioned whatever the database holds; nothing is changed.

    :raises Fatal: a topic is compacted, or a user would have to be created without a password.
    """
    topics.refuse_unfit(kafka.admin_client(settings), settings)
    accounts.refuse_missing_passwords(connection.cursor(), settings)


def read_pipeline(connection: Any, settings: Settings) -> Stored | None:
    """Return what the database was provisioned for; None if it was not. Selects the database if there is one."""
    if "pipeline" not in tables(connection, settings):
        return None
    cursor = connection.cursor()
    cursor.execute(queries()["read_pipeline"])
    row = cursor.fetchone()
    return Stored(*row) if row else None


def tables(connection: Any, settings: Settings) -> set[str]:
    """Return which of our tables the database has, and select it; none if there is no such database."""
    cursor = connection.cursor()
    cursor.execute(queries()["tables"], (settings.mariadb_database,))
    present = {row[0] for row in cursor.fetchall()}
    if present:
        connection.select_db(settings.mariadb_database)
    return present


def _refuse_difference(admin: AdminClient, settings: Settings, stored: Stored | None) -> None:
    if stored is None:
        return
    provisioned.refuse_other_settings(settings, stored.topic, stored[4:])
    visits = kafka.describe(admin, settings, [stored.topic])[stored.topic]
    if visits is None:
        message = (
            f"topic {stored.topic!r} does not exist, but database {settings.mariadb_database!r} counts it (id "
            f"{stored.topic_id}): restore it, or start over by python -m ops reset --yes"
        )
        raise Fatal(message, ExitCode.DATA)
    if visits.topic_id != stored.topic_id:
        raise Fatal(provisioned.recreated_message(visits, stored.topic_id), ExitCode.DATA)


def _refuse_gaps(connection: Any, settings: Settings, stored: Stored | None) -> None:
    cursor, present = connection.cursor(), tables(connection, settings)
    rows = []
    if "progress" in present:
        cursor.execute(queries()["read_progress"], (settings.visits_topic,))
        rows = cursor.fetchall()
    if stored is not None:
        provisioned.refuse_other_rows(settings.visits_topic, stored.topic_id, stored.partitions, rows)
        return
    counted = False
    if "window_totals" in present:
        cursor.execute(queries()["any_totals"])
        counted = cursor.fetchone() != (0,)
    if rows or counted:
        message = (
            f"database {settings.mariadb_database!r} holds totals or positions, but not what they belong to (table "
            "pipeline is empty): restore it, or start over by python -m ops reset --yes"
        )
        raise Fatal(message, ExitCode.DATA)


def _note_positions(
    connection: Any, settings: Settings, visits: kafka.Topic, stored: Stored | None, admin: AdminClient
) -> None:
    """Add rows for the partitions that have none, and their number, in one transaction."""
    new = range(stored.partitions if stored else 0, visits.partitions)
    if not new:
        return
    first = kafka.offsets(admin, visits.name, new, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)
    cursor = connection.cursor()
    if stored is None:
        cursor.execute(queries()["insert_pipeline"], _new_pipeline(settings, visits))
    else:
        cursor.execute(queries()["note_partitions"], (visits.partitions,))
    rows = [(visits.topic_id, visits.name, partition, first[partition], first[partition]) for partition in new]
    cursor.executemany(queries()["insert_position"], rows)
    connection.commit()
    name = settings.mariadb_database
    logger.info("database %s: counting begins for partitions %d-%d of %s", name, new[0], new[-1], visits.name)


def _new_pipeline(settings: Settings, visits: kafka.Topic) -> Stored:
    from operators.decode import DECODE_VERSION

    lengths = ",".join(map(str, settings.window_lengths_s))
    zone = settings.naive_timezone.key if settings.naive_timezone else ""
    return Stored(uuid4().hex, visits.name, visits.topic_id, visits.partitions, lengths, zone, DECODE_VERSION)
