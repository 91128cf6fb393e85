"""The locks of all partitions: what holds them knows that no dataflow runs, and none can start."""

from typing import Any

from clients import kafka
from clients.sql import queries
from ops.provision import tables
from partition.pipeline import Pipeline, read_lock_secret
from partition.position import lock_name
from process.errors import ExitCode, Fatal
from settings import Settings

_LOCK_WAIT_S = 1  # MariaDB frees the lock of a killed process within milliseconds


def lock_partitions(connection: Any, settings: Settings, pipeline: Pipeline | None) -> int:
    """Lock every partition for as long as the connection lives; return how many there are.

    :raises Fatal: HELD, a dataflow owns one of them.
    """
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


def _held_message(cursor: Any, where: str, lock: str) -> str:
    cursor.execute(queries()["lock_holder"], (lock,))
    holder = cursor.fetchone()
    named = f" (connection {holder[0]} of {holder[1]}@{holder[2]})" if holder else ""
    return f"{where} is owned by a running dataflow{named}: stop it first; nothing has been changed"
