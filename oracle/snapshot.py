"""The database at one instant: what it was provisioned for, every position, every total."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient
from oracle.rules import Rules
from oracle.sums import Row, Sums
from process.errors import ExitCode, Fatal
from settings import Settings

_BEGIN = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_STARTS = "SELECT board, complete_from FROM board_starts"
_NOW = "SELECT UTC_TIMESTAMP() AS taken_at"
_PIPELINE = """
SELECT pipeline_id, topic, topic_id, partitions, window_lengths_s, naive_timezone, boards, outputs, visit_fields,
    visit_date_format, duration_unit, max_duration_s, max_future
FROM pipeline
"""
_PROGRESS = """
SELECT kafka_partition AS `partition`, first_offset, next_offset, messages, visits, rejected, max_visit_date
FROM progress WHERE topic_id = ? ORDER BY kafka_partition
"""
_FOREIGN_PROGRESS = "SELECT COUNT(*) AS foreign_positions FROM progress WHERE topic_id <> ?"
_TOTALS = """
SELECT length_s, TIMESTAMPDIFF(SECOND, '1970-01-01', window_start), board, entry, duration_s, visits
FROM window_totals
"""
_ROWS = 10_000


class Position(NamedTuple):
    """A row of `progress`; max_visit_date is UTC without a zone, as MariaDB keeps it."""

    partition: int
    first_offset: int
    next_offset: int
    messages: int
    visits: int
    rejected: int
    max_visit_date: datetime | None

    @classmethod
    def without_row(cls, partition: int, offset: int) -> "Position":
        """Return the position of a partition that `progress` has no row of: nothing is counted."""
        return cls(partition, offset, offset, messages=0, visits=0, rejected=0, max_visit_date=None)


class Snapshot(NamedTuple):
    """One instant of the database."""

    taken_at: datetime
    pipeline_id: str
    topic_id: str
    partitions: int
    lengths_s: tuple[int, ...]
    boards: tuple[str, ...]
    complete_from: dict[str, datetime]  # of boards that were added later, and lack visits before
    outputs: list[tuple[str, str, tuple[str, ...]]]  # name, format, last actions
    rules: Rules
    positions: dict[int, Position]
    foreign_positions: int
    totals: dict[int, Sums]
    rows: int


def take(settings: Settings) -> Snapshot:
    """Read everything in one REPEATABLE READ transaction, so that positions and totals belong together.

    :raises Fatal: MariaDB cannot be reached, refuses, is not provisioned, or counts another topic.
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
    cursor = connection.cursor(dictionary=True)
    for statement in _BEGIN:
        cursor.execute(statement)
    cursor.execute(_NOW)
    taken_at = cursor.fetchone()["taken_at"]
    pipeline = _pipeline(cursor, settings)
    topic_id = pipeline["topic_id"]
    cursor.execute(_PROGRESS, (topic_id,))
    positions = {row["partition"]: Position(**row) for row in cursor.fetchall()}
    cursor.execute(_FOREIGN_PROGRESS, (topic_id,))
    foreign = cursor.fetchone()["foreign_positions"]
    cursor.execute(_STARTS)
    starts = {row["board"]: row["complete_from"] for row in cursor.fetchall() if row["complete_from"]}
    cursor.close()
    lengths_s = tuple(int(length) for length in pipeline["window_lengths_s"].split(","))
    boards = tuple(pipeline["boards"].split(","))
    totals, rows = _totals(connection, lengths_s, boards)
    return Snapshot(
        taken_at=taken_at,
        pipeline_id=pipeline["pipeline_id"],
        topic_id=topic_id,
        partitions=pipeline["partitions"],
        lengths_s=lengths_s,
        boards=boards,
        complete_from=starts,
        outputs=msgspec.json.decode(pipeline["outputs"], type=list[tuple[str, str, tuple[str, ...]]]),
        rules=Rules.stored(pipeline),
        positions=positions,
        foreign_positions=foreign,
        totals=totals,
        rows=rows,
    )


def _pipeline(cursor: Any, settings: Settings) -> dict[str, Any]:
    cursor.execute(_PIPELINE)
    pipeline: dict[str, Any] | None = cursor.fetchone()
    if pipeline is None:
        message = f"database {settings.mariadb_database!r} has not been provisioned; run python -m ops provision"
        raise Fatal(message, ExitCode.CONFIG)
    if pipeline["topic"] != settings.visits_topic:
        counted = pipeline["topic"]
        message = f"VISITS_TOPIC is {settings.visits_topic!r}, but the database counts {counted!r}; set it to that"
        raise Fatal(message, ExitCode.CONFIG)
    return pipeline


def _totals(connection: Any, lengths_s: tuple[int, ...], boards: tuple[str, ...]) -> tuple[dict[int, Sums], int]:
    totals = {length_s: Sums(length_s, boards) for length_s in lengths_s}
    rows = 0
    cursor = connection.cursor(buffered=False)
    cursor.execute(_TOTALS)
    while chunk := cursor.fetchmany(_ROWS):
        rows += len(chunk)
        for length_s, window_start_s, board, entry, duration_s, visits in chunk:
            row = Row(window_start_s, board, entry, duration_s, visits)
            totals.setdefault(length_s, Sums(length_s, boards)).put(row)
    cursor.close()
    return totals, rows
