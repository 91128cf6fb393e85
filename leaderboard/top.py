"""The first entries of a board over a range of time: ordered, counted and cut off by the database.

Whoever may send visits may send a million names. However many there are, no more rows are read than are shown.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from leaderboard.ranges import Run, moment_of, runs_of

_RUN = "(length_s = ? AND window_start >= ? AND window_start < ?)"


class Entry(msgspec.Struct, frozen=True):
    """A row of a board; `share` is its part of the board's duration, 0 to 1."""

    rank: int
    entry: str
    duration_s: int
    visits: int
    share: float


class Top(NamedTuple):
    """The first entries of a board; the other figures are of the whole board."""

    entries: list[Entry]
    entries_total: int
    duration_s: int
    visits: int


def read_top(
    cursor: Any, boards: Sequence[str], span: tuple[int, int], lengths_s: Sequence[int], *, most: int
) -> dict[str, Top]:
    """Return the first `most` entries of each board over a span, from and to whole multiples of the shortest window.

    :raises mariadb.Error: to be translated by the caller.
    """
    runs = runs_of(*span, lengths_s)
    if not runs:
        return {board: Top([], 0, 0, 0) for board in boards}
    cursor.execute(sql("board_totals").format(runs=_conditions(runs)), _parameters(runs))
    totals = {board: tuple(map(int, figures)) for board, *figures in cursor.fetchall()}
    return {board: _top(cursor, board, runs, totals.get(board, (0, 0, 0)), most) for board in boards}


def read_ranks(
    cursor: Any, board: str, span: tuple[int, int], lengths_s: Sequence[int], entries: Sequence[str]
) -> dict[str, int]:
    """Return the ranks that `entries` have over a span; one that is not on the board has none.

    :raises mariadb.Error: to be translated by the caller.
    """
    runs = runs_of(*span, lengths_s)
    if not runs or not entries:
        return {}
    statement = sql("ranks").format(runs=_conditions(runs), entries=marks(entries))
    cursor.execute(statement, (board, *_parameters(runs), *entries))
    return {entry: int(place) for entry, place in cursor.fetchall()}


def ranked(rows: Iterable[tuple[str, Any, Any]], total_s: int) -> list[Entry]:
    """Return entries from ordered rows (entry, duration_s, visits) and the duration of the whole board."""
    return [
        Entry(rank, entry, int(duration_s), int(visits), int(duration_s) / total_s if total_s else 0.0)
        for rank, (entry, duration_s, visits) in enumerate(rows, 1)
    ]


def _top(cursor: Any, board: str, runs: list[Run], totals: tuple[int, ...], most: int) -> Top:
    entries_total, duration_s, visits = totals
    rows: list[tuple[str, Any, Any]] = []
    if entries_total:
        cursor.execute(sql("top").format(runs=_conditions(runs)), (board, *_parameters(runs), most))
        rows = cursor.fetchall()
    return Top(ranked(rows, duration_s), entries_total, duration_s, visits)


def _conditions(runs: list[Run]) -> str:
    return " OR ".join([_RUN] * len(runs))


def _parameters(runs: list[Run]) -> tuple[Any, ...]:
    return tuple(at for run in runs for at in (run.length_s, datetime_of(run.start_s), datetime_of(run.end_s)))


def marks(values: Sequence[Any]) -> str:
    """Return as many placeholders as there are values."""
    return ", ".join("?" * len(values))


def datetime_of(second: int) -> datetime:
    """Return seconds since 1970 UTC as a naive datetime: MariaDB's DATETIME has no zone, all are UTC."""
    return moment_of(second).replace(tzinfo=None)


@cache
def sql(name: str) -> str:
    """Return a statement from the folder queries."""
    return files(__package__).joinpath(f"queries/{name}.sql").read_text(encoding="utf-8")
