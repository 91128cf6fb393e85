"""What is shown beside the boards: ranks of the period before, trends of entries, visits over time."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from leaderboard.boards import Totals
from leaderboard.buckets import Buckets, buckets_of
from leaderboard.ranges import before, moment_of, seconds_of, span_of
from leaderboard.top import datetime_of, marks, read_ranks, sql
from leaderboard.wire import Period, Series

TREND_POINTS = 30
SERIES_POINTS = 120
TREND_ENTRIES = 250

Key = tuple[str, str]
"""board and entry"""

Names = dict[str, list[str]]
"""board → entries, in the order of their ranks"""


class Curves(NamedTuple):
    """`ranks` are those of `compared_with`; `trends` are seconds per bucket, of the entries that have any."""

    compared_with: Period | None = None
    ranks: Mapping[Key, int] = {}
    trend: Buckets | None = None
    trends: Mapping[Key, list[int]] = {}
    series: Series | None = None


def read_curves(cursor: Any, range_name: str, totals: Totals, names: Names) -> Curves:
    """Read what is shown beside the boards of a range: ranks of these names, and trends of the first 250.

    :raises mariadb.Error: to be translated by the caller.
    """
    lengths_s = totals.lengths_s
    start_s, end_s = span_of(range_name, totals.as_of, lengths_s)
    earlier = before(range_name, start_s, end_s, lengths_s)
    if range_name == "all":
        start_s, end_s = _counted_span(cursor, totals)
    trend = buckets_of(start_s, end_s, lengths_s, most=TREND_POINTS, most_windows=12)
    series = buckets_of(start_s, end_s, lengths_s, most=SERIES_POINTS)
    return Curves(
        Period(moment_of(earlier[0]), moment_of(earlier[1])) if earlier else None,
        _ranks(cursor, earlier, lengths_s, names) if earlier else {},
        trend,
        _trends(cursor, trend, names) if trend else {},
        _series(cursor, series, totals.boards[0].name) if series else None,
    )


def _counted_span(cursor: Any, totals: Totals) -> tuple[int, int]:
    """Return the span from the first window to the one of `as_of`: a curve from 1970 to 2100 would be flat."""
    _, end_s = span_of("window", totals.as_of, totals.lengths_s)
    latest_s = end_s - totals.lengths_s[0]
    cursor.execute(sql("first_window"), (totals.lengths_s[0],))
    (first,) = cursor.fetchone()
    return min(_second(first), latest_s) if first else latest_s, end_s


def _ranks(cursor: Any, earlier: tuple[int, int], lengths_s: tuple[int, ...], names: Names) -> dict[Key, int]:
    return {
        (board, entry): rank
        for board, entries in names.items()
        for entry, rank in read_ranks(cursor, board, earlier, lengths_s, entries).items()
    }


def _trends(cursor: Any, buckets: Buckets, names: Names) -> dict[Key, list[int]]:
    start, end = (datetime_of(buckets.start_s + at * buckets.bucket_s) for at in (0, buckets.points))
    trends: dict[Key, list[int]] = {}
    for board, entries in names.items():
        first = entries[:TREND_ENTRIES]
        if not first:
            continue
        parameters = (start, buckets.bucket_s, buckets.length_s, start, end, board, *first)
        cursor.execute(sql("trends").format(entries=marks(first)), parameters)
        for entry, at, duration_s in cursor.fetchall():
            trends.setdefault((board, entry), [0] * buckets.points)[int(at)] = int(duration_s)
    return trends


def _series(cursor: Any, buckets: Buckets, board: str) -> Series:
    parameters = (datetime_of(buckets.start_s), buckets.length_s, buckets.windows, buckets.length_s, board)
    cursor.execute(sql("series"), parameters)
    visits = [0] * buckets.points
    for window_start, counted in cursor.fetchall():
        visits[buckets.index_of(_second(window_start))] += int(counted)
    return Series(moment_of(buckets.start_s), buckets.bucket_s, visits)


def _second(moment: datetime) -> int:
    return seconds_of(moment.replace(tzinfo=UTC))
