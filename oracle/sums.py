"""Sums of visits by window, for the recount and for the database alike, so that both are compared in one shape."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from operators.boards import BOARDS
from oracle.message import Visit

_ONE_VISIT = 1 << 64  # visits and seconds share one integer: half the memory of a pair, and one addition for both

# The packed sum by board, entry, and the window's start in seconds since 1970 UTC.
_Windows = defaultdict[str, defaultdict[str, defaultdict[int, int]]]
_NONE: Mapping[int, int] = {}
_FIELDS = {board.name: board.fields for board in BOARDS}


class Row(NamedTuple):
    """One window's sum of one entry."""

    window_start_s: int
    board: str
    entry: str
    duration_s: int
    visits: int


class Sums:
    """Sums of windows of one length."""

    def __init__(self, length_s: int, boards: Sequence[str]) -> None:
        self.length_s, self.boards = length_s, tuple(boards)
        self._windows: _Windows = defaultdict(_entries)
        self._fields = [(self._windows[name], _FIELDS.get(name, ())) for name in boards]

    def add(self, visit: Visit) -> None:
        """Add a visit to its window on every board."""
        start = visit.second - visit.second % self.length_s
        amount = _ONE_VISIT + visit.duration_s
        for entries, fields in self._fields:
            entries[_entry([visit.value(field) for field in fields])][start] += amount

    def put(self, row: Row) -> None:
        """Add a row of sums."""
        amount = row.visits * _ONE_VISIT + row.duration_s
        self._windows[row.board][row.entry][row.window_start_s] += amount

    def of_length(self, length_s: int) -> "Sums":
        """Return the same visits in windows of a length that is a multiple of this one."""
        longer = Sums(length_s, self.boards)
        for board, entry, windows in self._series():
            into = longer._windows[board][entry]
            for start, amount in windows.items():
                into[start - start % length_s] += amount
        return longer

    def compared_with(self, other: "Sums") -> Iterator[tuple[Row, Row]]:
        """Yield the rows that differ, this one's and the other's; a row that is missing has sums of 0."""
        mine = {(board, entry): windows for board, entry, windows in self._series()}
        theirs = {(board, entry): windows for board, entry, windows in other._series()}
        for board, entry in sorted(mine.keys() | theirs.keys()):
            here, there = mine.get((board, entry), _NONE), theirs.get((board, entry), _NONE)
            for start in sorted(here.keys() | there.keys()):
                if here.get(start) != there.get(start):
                    yield _row(start, board, entry, here.get(start, 0)), _row(start, board, entry, there.get(start, 0))

    def boards_that_differ(self) -> Iterator[tuple[Row, Row]]:
        """Yield the windows whose total on another board is not that on the first one."""
        first, *others = self.boards
        totals = self._totals(first)
        for board in others:
            found = self._totals(board)
            for start in sorted(totals.keys() | found.keys()):
                if totals.get(start, 0) != found.get(start, 0):
                    yield _row(start, first, "", totals.get(start, 0)), _row(start, board, "", found.get(start, 0))

    def visits(self, board: str) -> int:
        """Return the number of visits of all windows of a board."""
        return sum(self._totals(board).values()) // _ONE_VISIT

    def _totals(self, board: str) -> dict[int, int]:
        totals: defaultdict[int, int] = defaultdict(int)
        for windows in self._windows[board].values():
            for start, amount in windows.items():
                totals[start] += amount
        return totals

    def _series(self) -> Iterator[tuple[str, str, Mapping[int, int]]]:
        for board, entries in self._windows.items():
            for entry, windows in entries.items():
                yield board, entry, windows


def _entry(values: Sequence[str]) -> str:
    """Return the entry of a board of several fields: joined by a slash; within a value it is %2F, and a percent %25."""
    if len(values) == 1:
        return values[0]
    return "/".join("".join({"%": "%25", "/": "%2F"}.get(letter, letter) for letter in value) for value in values)


def _entries() -> defaultdict[str, defaultdict[int, int]]:
    return defaultdict(lambda: defaultdict(int))


def _row(start: int, board: str, entry: str, amount: int) -> Row:
    visits, duration_s = divmod(amount, _ONE_VISIT)
    return Row(start, board, entry, duration_s, visits)
