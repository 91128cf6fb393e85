"""Both boards of a range of time, read from MariaDB: pure queries, no state but the connection."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from failure import ExitCode, Fatal
from leaderboard.ranges import moment_of, runs_of, span_of
from sinks import database
from sinks.database import ConnectionLost, Login, Transient, translated

_BEGIN = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)


class Entry(msgspec.Struct, frozen=True):
    """A row of a board; `share` is its part of the board's duration, 0 to 1."""

    rank: int
    entry: str
    duration_s: int
    visits: int
    share: float


class Boards(msgspec.Struct, frozen=True, kw_only=True):
    """Both boards of a range, and what has been counted in all, at one instant of the database.

    `as_of` is the latest visit counted, or the database's present if that is earlier; `read_at` is its present.
    """

    range: str
    start: datetime
    end: datetime
    as_of: datetime
    read_at: datetime
    messages: int
    visits: int
    rejected: int
    action: list[Entry]
    country: list[Entry]


class BoardReader:
    """Reads boards as the read-only user; connects when it has to."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._connection: Any = None

    def read(self, range_name: str) -> Boards:
        """Return both boards of a range of `RANGES`.

        :raises ConnectionLost: MariaDB is away; the next call connects again.
        :raises Transient: try again.
        :raises Fatal: it refuses the user, or nothing is provisioned.
        """
        fresh = self._connection is None
        try:
            return self._read(range_name)
        except (ConnectionLost, Transient):
            self.close()
            if fresh:
                raise
        return self.read(range_name)  # an idle connection ends by itself: a new one tells whether MariaDB is away

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _read(self, range_name: str) -> Boards:
        if self._connection is None:
            self._connection = database.connect(self._login)
        with translated(str(self._login)):
            cursor = self._connection.cursor()
            for statement in _BEGIN:
                cursor.execute(statement)
            boards = read_boards(cursor, range_name)
            self._connection.rollback()
            cursor.close()
        return boards


def read_boards(cursor: Any, range_name: str) -> Boards:
    """Return both boards of a range of `RANGES`; a snapshot transaction makes its figures belong together.

    :raises Fatal: nothing is provisioned.
    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(_sql("totals"))
    now, lengths, *counts, latest = cursor.fetchone()
    if lengths is None:
        raise Fatal("nothing is provisioned yet; run python -m ops provision", ExitCode.CONFIG)
    lengths_s = [int(length) for length in lengths.split(",")]
    read_at = now.replace(tzinfo=UTC)
    # A visit dated ahead of the present must not empty every range; nor must a log of last year.
    as_of = min(read_at, latest.replace(tzinfo=UTC)) if latest else read_at
    start_s, end_s = span_of(range_name, as_of, lengths_s)
    sums: dict[str, dict[str, tuple[int, int]]] = {"action": {}, "country": {}}
    for length_s, run_start_s, run_end_s in runs_of(start_s, end_s, lengths_s):
        bounds = (_datetime(run_start_s), _datetime(run_end_s))
        cursor.execute(_sql("windows"), (length_s, *bounds))
        _add(sums, cursor.fetchall())
    messages, visits, rejected = map(int, counts)
    return Boards(
        range=range_name,
        start=moment_of(start_s),
        end=moment_of(end_s),
        as_of=as_of,
        read_at=read_at,
        messages=messages,
        visits=visits,
        rejected=rejected,
        action=ranked(sums["action"]),
        country=ranked(sums["country"]),
    )


def ranked(sums: dict[str, tuple[int, int]]) -> list[Entry]:
    """Return entries in the order of their duration, then of their visits; sums are (duration_s, visits)."""
    total_s = sum(duration_s for duration_s, _ in sums.values())
    rows = sorted((-duration_s, -visits, entry) for entry, (duration_s, visits) in sums.items())
    return [
        Entry(rank, entry, -duration_s, -visits, -duration_s / total_s if total_s else 0.0)
        for rank, (duration_s, visits, entry) in enumerate(rows, 1)
    ]


def _add(sums: dict[str, dict[str, tuple[int, int]]], rows: Iterable[tuple[str, str, Any, Any]]) -> None:
    for board, entry, duration_s, visits in rows:
        entries = sums.setdefault(board, {})
        before = entries.get(entry, (0, 0))
        entries[entry] = (before[0] + int(duration_s), before[1] + int(visits))


def _datetime(second: int) -> datetime:
    return moment_of(second).replace(tzinfo=None)  # MariaDB's DATETIME has no zone; all are UTC


@cache
def _sql(name: str) -> str:
    return files(__package__).joinpath(f"queries/{name}.sql").read_text(encoding="utf-8")
