"""Reads all of a range, as the page shows it: boards from the database every time, curves every few seconds."""

from typing import Any, NamedTuple

from leaderboard.boards import MOST_ENTRIES, ShownBoard, Totals
from leaderboard.countries import country_of
from leaderboard.curves import TREND_ENTRIES, Curves, Names, read_curves
from leaderboard.ranges import moment_of, span_of
from leaderboard.top import Entry, Top, read_top
from leaderboard.wire import Board, RangeReading, Standing
from process.deadline import Deadline

CURVES_CACHED_S = 5.0


class _Cached(NamedTuple):
    """Curves, until when they may be reused, the window with which their range ends, and the names that they cover."""

    window: tuple[int, int]
    expiry: Deadline
    names: Names
    curves: Curves

    def covers(self, names: Names) -> bool:
        """Return whether every entry that is shown has its rank and its trend in these curves."""
        return all(
            set(entries[:most]) <= set(self.names[board][:most])
            for board, entries in names.items()
            for most in (TREND_ENTRIES, MOST_ENTRIES)
        )


class RangeReader:
    """Reads ranges; caches the curves of each for 5 seconds, or until a window ends: they change little."""

    def __init__(self) -> None:
        self._cache: dict[str, _Cached] = {}

    def reset(self) -> None:
        """Clear the cache: the next reading is all from the database."""
        self._cache.clear()

    def read(self, cursor: Any, range_name: str, totals: Totals) -> RangeReading:
        """Return everything about a range of `RANGES`.

        :raises mariadb.Error: to be translated by the caller.
        """
        start_s, end_s = span_of(range_name, totals.as_of, totals.lengths_s)
        boards = [board.name for board in totals.boards]
        top = read_top(cursor, boards, (start_s, end_s), totals.lengths_s, most=MOST_ENTRIES)
        names = {board: [entry.entry for entry in first.entries] for board, first in top.items()}
        curves = self._curves(cursor, range_name, totals, names)
        return RangeReading(
            range=range_name,
            start=moment_of(start_s),
            end=moment_of(end_s),
            as_of=totals.as_of,
            compared_with=curves.compared_with,
            trend_bucket_s=curves.trend.bucket_s if curves.trend else None,
            boards={board.name: _board(board, top[board.name], curves) for board in totals.boards},
            series=curves.series,
        )

    def _curves(self, cursor: Any, range_name: str, totals: Totals, names: Names) -> Curves:
        window = span_of("window", totals.as_of, totals.lengths_s)
        cached = self._cache.get(range_name)
        if cached and cached.window == window and not cached.expiry.passed and cached.covers(names):
            return cached.curves
        curves = read_curves(cursor, range_name, totals, names)
        self._cache[range_name] = _Cached(window, Deadline(CURVES_CACHED_S), names, curves)
        return curves


def _board(shown: ShownBoard, top: Top, curves: Curves) -> Board:
    return Board(
        board=shown.name,
        title=shown.title,
        complete_from=shown.complete_from,
        entries_total=top.entries_total,
        duration_s=top.duration_s,
        visits=top.visits,
        entries=[_standing(shown, entry, curves) for entry in top.entries],
    )


def _standing(shown: ShownBoard, entry: Entry, curves: Curves) -> Standing:
    key = (shown.name, entry.entry)
    trend = None
    if curves.trend and entry.rank <= TREND_ENTRIES:
        trend = curves.trends.get(key) or [0] * curves.trend.points
    name, flag = country_of(shown.fields, entry.entry) or (None, None)
    figures = (entry.duration_s, entry.visits, entry.share, curves.ranks.get(key), trend)
    return Standing(entry.rank, entry.entry, *figures, name, flag or None)
