"""What `provision` wrote into the database: the row of table `pipeline`, and the positions that belong to it."""

from typing import Any, NamedTuple

from clients.sql import queries


class Pipeline(NamedTuple):
    """The row of table `pipeline`: what must not change under a database."""

    pipeline_id: str
    topic: str
    topic_id: str
    partitions: int
    window_lengths_s: str  # separated by commas
    naive_timezone: str  # empty: none
    decode_version: int


class Position(NamedTuple):
    """A row of table `progress`: where a partition stands."""

    topic_id: str
    partition: int
    first_offset: int
    next_offset: int


def read_pipeline(cursor: Any) -> Pipeline | None:
    """Return what the database was provisioned for; None if it was not.

    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(queries()["read_pipeline"])
    row = cursor.fetchone()
    return Pipeline(*row) if row else None


def read_schema_version(cursor: Any) -> int:
    """Return the number of the latest schema file that was applied; 0: none was recorded.

    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(queries()["schema_versions"])
    return max((int(row[0]) for row in cursor.fetchall()), default=0)


def read_lock_secret(cursor: Any) -> str | None:
    """Return the secret part of the partitions' lock names; None if `provision` has not made it.

    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(queries()["lock_secret"])
    row = cursor.fetchone()
    return str(row[0]) if row else None


def read_positions(cursor: Any, topic: str) -> list[Position]:
    """Return the positions of a topic's partitions, those of earlier topics of its name too.

    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(queries()["read_progress"], (topic,))
    return [Position(*row) for row in cursor.fetchall()]
