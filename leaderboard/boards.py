"""The boards of a range of time, read from MariaDB: pure queries, no state but the connection."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from clients import mariadb
from clients.mariadb import READ_TIMEOUT_S, ConnectionLost, Login, Transient, translated
from leaderboard.ranges import moment_of, span_of
from leaderboard.top import Top, read_top, sql
from operators.boards import BOARDS, Board
from process.errors import ExitCode, Fatal

MOST_ENTRIES = 1000

Read = TypeVar("Read")
_BEGIN = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)


class Boards(msgspec.Struct, frozen=True, kw_only=True):
    """The boards of a range, and all that has been counted, at one instant of the database.

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
    shown: tuple["ShownBoard", ...]
    boards: dict[str, Top]


class ShownBoard(NamedTuple):
    """A board that the database keeps; `complete_from` is None where it has all visits."""

    name: str
    title: str
    fields: tuple[str, ...]
    complete_from: datetime | None


class Totals(NamedTuple):
    """All that has been counted, at one instant of the database.

    `as_of` is the date of the latest visit counted, or `read_at`, the database's current time, if that is earlier.
    """

    read_at: datetime
    as_of: datetime
    lengths_s: tuple[int, ...]
    boards: tuple[ShownBoard, ...]
    messages: int
    visits: int
    rejected: int


class BoardReader:
    """Reads boards as the read-only user; connects when there is no connection."""

    def __init__(self, login: Login, *, read_timeout_s: int = READ_TIMEOUT_S) -> None:
        self._login = login
        self._read_timeout_s = read_timeout_s
        self._connection: Any = None

    def read(self, range_name: str, most: int = MOST_ENTRIES) -> Boards:
        """Return the first entries of each board of a range of `RANGES`.

        :raises ConnectionLost: MariaDB is unavailable; the next call connects again.
        :raises Transient: try again.
        :raises Fatal: MariaDB refuses the user, or nothing is provisioned.
        """
        return self.snapshot(lambda cursor: read_boards(cursor, range_name, most))

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
            self._connection = mariadb.connect(self._login, read_timeout_s=self._read_timeout_s)
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
    now, lengths, names, messages, visits, rejected, latest = cursor.fetchone()
    if lengths is None:
        raise Fatal("nothing is provisioned yet; run python -m ops provision", ExitCode.CONFIG)
    read_at = now.replace(tzinfo=UTC)
    # A visit dated in the future must not empty every range; nor must a log of last year.
    as_of = min(read_at, latest.replace(tzinfo=UTC)) if latest else read_at
    return Totals(
        read_at=read_at,
        as_of=as_of,
        lengths_s=tuple(map(int, lengths.split(","))),
        boards=_shown_boards(cursor, names.split(",")),
        messages=int(messages),
        visits=int(visits),
        rejected=int(rejected),
    )


def _shown_boards(cursor: Any, names: Sequence[str]) -> tuple[ShownBoard, ...]:
    cursor.execute(sql("board_starts"))
    starts = {name: start.replace(tzinfo=UTC) for name, start in cursor.fetchall() if start}
    declared = {board.name: board for board in BOARDS}
    # One that a later version of this program has added is shown by its name.
    boards = [declared.get(name, Board(name, name, (name,))) for name in names]
    return tuple(ShownBoard(board.name, board.title, board.fields, starts.get(board.name)) for board in boards)


def read_boards(cursor: Any, range_name: str, most: int) -> Boards:
    """Return the first entries of each board of a range; in a snapshot transaction all are of one instant.

    :raises Fatal: nothing is provisioned.
    :raises mariadb.Error: to be translated by the caller.
    """
    totals = read_totals(cursor)
    start_s, end_s = span_of(range_name, totals.as_of, totals.lengths_s)
    names = [board.name for board in totals.boards]
    top = read_top(cursor, names, (start_s, end_s), totals.lengths_s, most=most)
    return Boards(
        range=range_name,
        start=moment_of(start_s),
        end=moment_of(end_s),
        as_of=totals.as_of,
        read_at=totals.read_at,
        messages=totals.messages,
        visits=totals.visits,
        rejected=totals.rejected,
        shown=totals.boards,
        boards=top,
    )
