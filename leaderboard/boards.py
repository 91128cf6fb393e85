"""Both boards of a range of time, read from MariaDB: pure queries, no state but the connection."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

import msgspec

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from leaderboard.ranges import moment_of, runs_of, span_of
from process.errors import ExitCode, Fatal

Read = TypeVar("Read")
Sums = dict[str, dict[str, tuple[int, int]]]
"""board → entry → (duration_s, visits)"""

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
    """Both boards of a range, and all that has been counted, at one instant of the database.

    `as_of` is the date of the latest visit counted, or `read_at`, the database's current time, if that is earlier.
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


class Totals(NamedTuple):
    """All that has been counted, at one instant of the database.

    `as_of` is the date of the latest visit counted, or `read_at`, the database's current time, if that is earlier.
    """

    read_at: datetime
    as_of: datetime
    lengths_s: tuple[int, ...]
    messages: int
    visits: int
    rejected: int


class BoardReader:
    """Reads boards as the read-only user; connects when there is no connection."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._connection: Any = None

    def read(self, range_name: str) -> Boards:
        """Return both boards of a range of `RANGES`.

        :raises ConnectionLost: MariaDB is unavailable; the next call connects again.
        :raises Transient: try again.
        :raises Fatal: MariaDB refuses the user, or nothing is provisioned.
        """
        return self.snapshot(lambda cursor: read_boards(cursor, range_name))

    def snapshot(self, read: Callable[[Any], Read]) -> Read:
        """Return what `read` reads through a cursor; all its statements see the same instant of the database.

        :raises ConnectionLost: MariaDB is unavailable; the next call connects again.
        :raises Transient: try again.
        :raises Fatal: MariaDB refuses the user, or nothing is provisioned.
        """
        fresh = self._connection is None
        try:
            return self._snapshot(read)
        except (ConnectionLost, Transient):
            self.close()
            if fresh:
                raise
        except Fatal:
            self.close()
            raise
        return self.snapshot(read)  # the server closes idle connections: a new one shows whether MariaDB is available

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _snapshot(self, read: Callable[[Any], Read]) -> Read:
        if self._connection is None:
            self._connection = mariadb.connect(self._login)
        with translated(str(self._login)):
            cursor = self._connection.cursor()
            for statement in _BEGIN:
                cursor.execute(statement)
            found = read(cursor)
            self._connection.rollback()
            cursor.close()
        return found


def read_totals(cursor: Any) -> Totals:
    """Return all that has been counted.

    :raises Fatal: nothing is provisioned.
    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(sql("totals"))
    now, lengths, messages, visits, rejected, latest = cursor.fetchone()
    if lengths is None:
        raise Fatal("nothing is provisioned yet; run python -m ops provision", ExitCode.CONFIG)
    read_at = now.replace(tzinfo=UTC)
    # A visit dated in the future must not empty every range; nor must a log of last year.
    as_of = min(read_at, latest.replace(tzinfo=UTC)) if latest else read_at
    return Totals(
        read_at=read_at,
        as_of=as_of,
        lengths_s=tuple(map(int, lengths.split(","))),
        messages=int(messages),
        visits=int(visits),
        rejected=int(rejected),
    )


def read_boards(cursor: Any, range_name: str) -> Boards:
    """Return both boards of a range of `RANGES`; in a snapshot transaction all figures are of one instant.

    :raises Fatal: nothing is provisioned.
    :raises mariadb.Error: to be translated by the caller.
    """
    totals = read_totals(cursor)
    start_s, end_s = span_of(range_name, totals.as_of, totals.lengths_s)
    sums = read_sums(cursor, start_s, end_s, totals.lengths_s)
    return Boards(
        range=range_name,
        start=moment_of(start_s),
        end=moment_of(end_s),
        as_of=totals.as_of,
        read_at=totals.read_at,
        messages=totals.messages,
        visits=totals.visits,
        rejected=totals.rejected,
        action=ranked(sums["action"]),
        country=ranked(sums["country"]),
    )


def read_sums(cursor: Any, start_s: int, end_s: int, lengths_s: Sequence[int]) -> Sums:
    """Return the sums of [start_s, end_s), whole multiples of the shortest window, from the fewest windows.

    :raises mariadb.Error: to be translated by the caller.
    """
    sums: Sums = {"action": {}, "country": {}}
    for length_s, run_start_s, run_end_s in runs_of(start_s, end_s, lengths_s):
        cursor.execute(sql("windows"), (length_s, datetime_of(run_start_s), datetime_of(run_end_s)))
        _add(sums, cursor.fetchall())
    return sums


def ranked(sums: dict[str, tuple[int, int]]) -> list[Entry]:
    """Return entries ordered by duration, then visits, both descending, then name; sums are (duration_s, visits)."""
    total_s = sum(duration_s for duration_s, _ in sums.values())
    rows = sorted((-duration_s, -visits, entry) for entry, (duration_s, visits) in sums.items())
    return [
        Entry(rank, entry, -duration_s, -visits, -duration_s / total_s if total_s else 0.0)
        for rank, (duration_s, visits, entry) in enumerate(rows, 1)
    ]


def _add(sums: Sums, rows: Iterable[tuple[str, str, Any, Any]]) -> None:
    for board, entry, duration_s, visits in rows:
        entries = sums.setdefault(board, {})
        before = entries.get(entry, (0, 0))
        entries[entry] = (before[0] + int(duration_s), before[1] + int(visits))


def datetime_of(second: int) -> datetime:
    """Return seconds since 1970 UTC as a naive datetime: MariaDB's DATETIME has no zone, all are UTC."""
    return moment_of(second).replace(tzinfo=None)


@cache
def sql(name: str) -> str:
    """Return a statement from the folder queries."""
    return files(__package__).joinpath(f"queries/{name}.sql").read_text(encoding="utf-8")
