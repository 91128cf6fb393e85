"""Reads a range whole, as the page shows it: boards from the database every time, curves every few seconds."""

import time
from typing import Any

from leaderboard.boards import Entry, Position, ranked, read_sums
from leaderboard.curves import Curves, read_curves
from leaderboard.ranges import moment_of, span_of
from leaderboard.wire import Board, RangeReading, Standing

MOST_ENTRIES = 1000
TREND_ENTRIES = 250
CURVES_KEPT_S = 5.0


class RangeReader:
    """Reads ranges; keeps the curves of each for 5 seconds, or until a window ends: they change little."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[int, int], float, Curves]] = {}

    def forget(self) -> None:
        """Read everything anew."""
        self._kept.clear()

    def read(self, cursor: Any, range_name: str, position: Position) -> RangeReading:
        """Return everything about a range of `RANGES`.

        :raises mariadb.Error: to be translated by the caller.
        """
        start_s, end_s = span_of(range_name, position.as_of, position.lengths_s)
        curves = self._curves(cursor, range_name, position)
        sums = read_sums(cursor, start_s, end_s, position.lengths_s)
        return RangeReading(
            range=range_name,
            start=moment_of(start_s),
            end=moment_of(end_s),
            as_of=position.as_of,
            compared_with=curves.compared_with,
            trend_bucket_s=curves.trend.bucket_s if curves.trend else None,
            action=_board("action", ranked(sums["action"]), curves),
            country=_board("country", ranked(sums["country"]), curves),
            series=curves.series,
        )

    def _curves(self, cursor: Any, range_name: str, position: Position) -> Curves:
        span = span_of("window", position.as_of, position.lengths_s)
        kept = self._kept.get(range_name)
        if kept and kept[0] == span and time.monotonic() - kept[1] < CURVES_KEPT_S:
            return kept[2]
        curves = read_curves(cursor, range_name, position)
        self._kept[range_name] = (span, time.monotonic(), curves)
        return curves


def _board(name: str, entries: list[Entry], curves: Curves) -> Board:
    return Board(
        board=name,
        entries_total=len(entries),
        duration_s=sum(entry.duration_s for entry in entries),
        visits=sum(entry.visits for entry in entries),
        entries=[_standing(name, entry, curves) for entry in entries[:MOST_ENTRIES]],
    )


def _standing(board: str, entry: Entry, curves: Curves) -> Standing:
    key = (board, entry.entry)
    trend = None
    if curves.trend and entry.rank <= TREND_ENTRIES:
        trend = curves.trends.get(key) or [0] * curves.trend.points
    return Standing(entry.rank, entry.entry, entry.duration_s, entry.visits, entry.share, curves.ranks.get(key), trend)
