"""The database at one instant: what it was provisioned for, every position, every total."""

from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient
from oracle.sums import Row, Sums
from process.errors import ExitCode, Fatal
from settings import Settings

_BEGIN = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_PIPELINE = "SELECT pipeline_id, topic, topic_id, partitions, window_lengths_s, naive_timezone FROM pipeline"
_PROGRESS = """
SELECT kafka_partition, first_offset, next_offset, messages, visits, rejected, max_visit_date
FROM progress WHERE topic_id = ? ORDER BY kafka_partition
"""
_STRANGE_PROGRESS = "SELECT COUNT(*) FROM progress WHERE topic_id <> ?"
_TOTALS = """
SELECT length_s, TIMESTAMPDIFF(SECOND, '1970-01-01', window_start), board, entry, duration_s, visits
FROM window_totals
"""
_ROWS = 10_000


class Position(NamedTuple):
    """What `progress` says of a partition; max_visit_date is UTC without a zone, as MariaDB keeps it."""

    partition: int
    first_offset: int
    next_offset: int
    messages: int
    visits: int
    rejected: int
    max_visit_date: datetime | None


class Snapshot(NamedTuple):
    """One instant of the database."""

    taken_at: datetime
    pipeline_id: str
    topic_id: str
    partitions: int
    lengths_s: tuple[int, ...]
    zone: ZoneInfo | None
    positions: dict[int, Position]
    strange_positions: int
    totals: dict[int, Sums]
    rows: int


def take(settings: Settings) -> Snapshot:
    """Read everything in one REPEATABLE READ transaction, so that positions and totals belong together.

    :raises Fatal: MariaDB is away, refuses, is not provisioned, or is of another topic.
    """
    login = Login.reader(settings)
    try:
        connection = mariadb.connect(login)
        try:
            with mariadb.translated(str(login)):
                return _read(connection, settings)
        finally:
            connection.close()
    except (ConnectionLost, Transient) as error:
        raise mariadb.unavailable(error) from error


def _read(connection: Any, settings: Settings) -> Snapshot:
    cursor = connection.cursor()
    for statement in _BEGIN:
        cursor.execute(statement)
    cursor.execute("SELECT UTC_TIMESTAMP()")
    (taken_at,) = cursor.fetchone()
    cursor.execute(_PIPELINE)
    pipeline = cursor.fetchone()
    if pipeline is None:
        message = f"database {settings.mariadb_database!r} has not been provisioned; run python -m ops provision"
        raise Fatal(message, ExitCode.CONFIG)
    pipeline_id, topic, topic_id, partitions, lengths, zone = pipeline
    if topic != settings.visits_topic:
        message = f"VISITS_TOPIC is {settings.visits_topic!r}, but the database counts {topic!r}; set it to that"
        raise Fatal(message, ExitCode.CONFIG)
    cursor.execute(_PROGRESS, (topic_id,))
    positions = {row[0]: Position(*row) for row in cursor.fetchall()}
    cursor.execute(_STRANGE_PROGRESS, (topic_id,))
    (strange,) = cursor.fetchone()
    cursor.close()
    lengths_s = tuple(int(length) for length in lengths.split(","))
    totals, rows = _totals(connection, lengths_s)
    known = (pipeline_id, topic_id, partitions, lengths_s, ZoneInfo(zone) if zone else None)
    return Snapshot(taken_at, *known, positions, strange, totals, rows)


def _totals(connection: Any, lengths_s: tuple[int, ...]) -> tuple[dict[int, Sums], int]:
    totals = {length_s: Sums(length_s) for length_s in lengths_s}
    rows = 0
    cursor = connection.cursor(buffered=False)
    cursor.execute(_TOTALS)
    while chunk := cursor.fetchmany(_ROWS):
        rows += len(chunk)
        for length_s, *row in chunk:
            totals.setdefault(length_s, Sums(length_s)).put(Row(*row))
    cursor.close()
    return totals, rows
