"""Forget totals and positions and empty the output topics: the next run counts the whole log again.

Every partition is locked first: this command ends if a dataflow is running, and none can start meanwhile. One
that has lost its connection to MariaDB is fenced from the outputs. Then the database is cleared and provisioned
anew with the present settings, and then the outputs are emptied. After a crash half-way the dataflow refuses to
start until this has been run again.

Examples:
    python -m ops reset --yes
    WINDOW_LENGTHS_S=10,60,3600 python -m ops reset --yes
"""

import argparse
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from clients import kafka
from clients.sql import queries
from operators.outputs import output_topics
from ops import topics
from ops.provision import administration, provision_through, refuse_unfit, stored_pipeline, tables
from partition.pipeline import Pipeline, read_lock_secret
from partition.position import lock_name
from partition.producer import fenced_producer
from process.errors import ExitCode, Fatal
from settings import Settings

_LOCK_WAIT_S = 1  # MariaDB frees the lock of a killed process within milliseconds
_FENCES_AT_ONCE = 8

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the confirmation."""
    parser.add_argument("--yes", action="store_true", help="confirm: totals, carts and rejected visits are deleted")


def main(arguments: argparse.Namespace) -> int:
    """Reset what the environment names."""
    settings = Settings.from_environment()
    if not arguments.yes:
        message = (
            f"reset empties database {settings.mariadb_database!r} and the topics "
            f"{', '.join(output_topics(settings))}; to confirm, run python -m ops reset --yes"
        )
        raise Fatal(message, ExitCode.CONFIG)
    reset(settings)
    return 0


def reset(settings: Settings) -> None:
    """Clear the database, then the outputs; nothing is touched while a dataflow is running.

    :raises Fatal: HELD when a dataflow is running; a server is unavailable or refuses.
    """
    admin = kafka.admin_client(settings)
    with administration(settings) as connection:
        partitions = _lock_partitions(connection, settings, stored_pipeline(connection, settings))
        refuse_unfit(connection, settings)
        _fence(settings, partitions)
        _clear(connection, settings)
        provision_through(connection, settings)
        for topic in kafka.describe(admin, settings, output_topics(settings)).values():
            if topic is not None:
                topics.empty(admin, topic)
                logger.info("topic %s emptied", topic.name)


def _lock_partitions(connection: Any, settings: Settings, pipeline: Pipeline | None) -> int:
    """Lock every partition; return how many there are."""
    names = {settings.visits_topic} | ({pipeline.topic} if pipeline else set())
    present = kafka.describe(kafka.admin_client(settings), settings, names)
    cursor = connection.cursor()
    secret = _lock_secret(connection, settings)
    most = 0
    for name, topic in present.items():
        provisioned = pipeline.partitions if pipeline and pipeline.topic == name else 0
        partitions = max(provisioned, topic.partitions if topic else 0)
        most = max(most, partitions)
        for partition in range(partitions):
            lock = lock_name(settings.mariadb_database, name, partition, secret)
            cursor.execute(queries()["lock_partition"], (lock, _LOCK_WAIT_S))
            if cursor.fetchone() != (1,):
                raise Fatal(_held_message(cursor, f"topic {name!r} partition {partition}", lock), ExitCode.HELD)
    return most


def _lock_secret(connection: Any, settings: Settings) -> str:
    """Return the secret of the locks' names; a dataflow of version 0.1, on a database without it, uses none."""
    known = "pipeline_secret" in tables(connection, settings)
    return (read_lock_secret(connection.cursor()) if known else None) or ""


def _fence(settings: Settings, partitions: int) -> None:
    """Fence every earlier producer: one that lost MariaDB, and so its lock, may have an open transaction."""
    with ThreadPoolExecutor(_FENCES_AT_ONCE, thread_name_prefix="fence") as pool:
        for _ in pool.map(partial(fenced_producer, settings), range(partitions)):
            pass


def _held_message(cursor: Any, where: str, lock: str) -> str:
    cursor.execute(queries()["lock_holder"], (lock,))
    holder = cursor.fetchone()
    named = f" (connection {holder[0]} of {holder[1]}@{holder[2]})" if holder else ""
    return f"{where} is owned by a running dataflow{named}: stop it first; nothing has been changed"


def _clear(connection: Any, settings: Settings) -> None:
    cursor, present = connection.cursor(), tables(connection, settings)
    for table in ("pipeline", "progress", "window_totals"):
        if table in present:
            cursor.execute(queries()[f"forget_{table.removeprefix('window_')}"])
            connection.commit()
    logger.info("database %s cleared", settings.mariadb_database)
