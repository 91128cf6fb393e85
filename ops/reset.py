"""Forget totals and positions and empty the output topics: the next run counts the whole log again.

Every partition is claimed first, so that a dataflow that runs makes this command end, and none begins meanwhile.
Then the database is cleared and provisioned anew, with what the environment says now, and then the outputs are
emptied. After a crash in the middle the dataflow refuses to start until this has been run again.

Examples:
    python -m ops reset --yes
    WINDOW_LENGTHS_S=10,60,3600 python -m ops reset --yes
"""

import argparse
import logging
from typing import Any

import broker
from failure import ExitCode, Fatal
from ops import topics
from ops.provision import Stored, administration, provision_through, read_pipeline
from settings import Settings
from sinks.position import lock_name
from sinks.sql import queries

_LOCK_WAIT_S = 1  # MariaDB frees the lock of a killed process within milliseconds

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the assent."""
    parser.add_argument("--yes", action="store_true", help="really do it: totals, carts and rejected visits go")


def main(arguments: argparse.Namespace) -> int:
    """Reset what the environment names."""
    settings = Settings.from_environment()
    if not arguments.yes:
        line = (
            f"reset empties database {settings.mariadb_database!r} and the topics {settings.carts_topic!r} and "
            f"{settings.rejected_topic!r}; say python -m ops reset --yes"
        )
        raise Fatal(line, ExitCode.CONFIG)
    reset(settings)
    return 0


def reset(settings: Settings) -> None:
    """Clear the database, then the outputs; nothing is touched while a dataflow runs.

    :raises Fatal: HELD when a dataflow runs; a server is away or refuses.
    """
    admin = broker.admin_client(settings)
    with administration(settings) as connection:
        _claim_partitions(connection, settings, read_pipeline(connection, settings))
        _clear(connection, settings)
        provision_through(connection, settings)
        names = (settings.carts_topic, settings.rejected_topic)
        for topic in broker.describe(admin, settings, names).values():
            if topic is not None:
                topics.empty(admin, topic)
                logger.info("topic %s emptied", topic.name)


def _claim_partitions(connection: Any, settings: Settings, stored: Stored | None) -> None:
    names = {settings.visits_topic} | ({stored.topic} if stored else set())
    present = broker.describe(broker.admin_client(settings), settings, names)
    cursor = connection.cursor()
    for name, topic in present.items():
        noted = stored.partitions if stored and stored.topic == name else 0
        for partition in range(max(noted, topic.partitions if topic else 0)):
            lock = lock_name(settings.mariadb_database, name, partition)
            cursor.execute(queries()["lock_partition"], (lock, _LOCK_WAIT_S))
            if cursor.fetchone() != (1,):
                raise Fatal(_held_line(cursor, f"topic {name!r} partition {partition}", lock), ExitCode.HELD)


def _held_line(cursor: Any, where: str, lock: str) -> str:
    cursor.execute(queries()["lock_holder"], (lock,))
    holder = cursor.fetchone()
    who = f" (connection {holder[0]} of {holder[1]}@{holder[2]})" if holder else ""
    return f"{where} is owned by a dataflow that runs{who}: stop it first; nothing has been changed"


def _clear(connection: Any, settings: Settings) -> None:
    cursor = connection.cursor()
    cursor.execute(queries()["tables"], (settings.mariadb_database,))
    present = {row[0] for row in cursor.fetchall()}
    if present:
        connection.select_db(settings.mariadb_database)
    for table in ("pipeline", "progress", "window_totals"):
        if table in present:
            cursor.execute(queries()[f"forget_{table.removeprefix('window_')}"])
            connection.commit()
    logger.info("database %s cleared", settings.mariadb_database)
