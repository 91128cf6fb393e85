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
from ops.locks import lock_partitions
from ops.provision import administration, provision_through, refuse_unfit, stored_pipeline, tables
from partition.producer import fenced_producer
from process.errors import ExitCode, Fatal
from settings import Settings

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
        partitions = lock_partitions(connection, settings, stored_pipeline(connection, settings))
        refuse_unfit(connection, settings)
        _fence(settings, partitions)
        _clear(connection, settings)
        provision_through(connection, settings)
        for topic in kafka.describe(admin, settings, output_topics(settings)).values():
            if topic is not None:
                topics.empty(admin, topic)
                logger.info("topic %s emptied", topic.name)


def _fence(settings: Settings, partitions: int) -> None:
    """Fence every earlier producer: one that lost MariaDB, and so its lock, may have an open transaction."""
    with ThreadPoolExecutor(_FENCES_AT_ONCE, thread_name_prefix="fence") as pool:
        for _ in pool.map(partial(fenced_producer, settings), range(partitions)):
            pass


def _clear(connection: Any, settings: Settings) -> None:
    cursor, present = connection.cursor(), tables(connection, settings)
    for table in ("pipeline", "progress", "window_totals", "board_starts"):
        if table in present:
            cursor.execute(queries()[f"forget_{table.rpartition('_')[2]}"])
            connection.commit()
    logger.info("database %s cleared", settings.mariadb_database)
