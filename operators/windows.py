"""Event-time tumbling windows: every visit counts in the window of its own visitDate, whenever it arrives."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.decode import Visit, VisitBatch

ACTION = "action"
COUNTRY = "country"

_ONE_VISIT = 1 << 60

Amount = int
"""Seconds and a number of visits in one integer, so that one addition adds both: half the work of two
dictionaries in the fold, the roll-up and the sink. The low 60 bits hold more than 500 million visits of the
longest duration; one cut holds at most some thousands."""

Board = tuple[int, int, str]
"""Length in seconds, window start in seconds since 1970 UTC, and `action` or `country`."""

Sums = Mapping[Board, Mapping[str, Amount]]
"""Per board, its entries' amounts. Sums commute: they may be added in any order."""


class SumBatch(NamedTuple):
    """What one cut of a partition adds to the database; max_timestamp is seconds since 1970 UTC."""

    partition: int
    begin: int
    end: int
    visits: int
    rejected: int
    max_timestamp: float | None
    sums: Sums


def amount_of(duration_s: int, visits: int) -> Amount:
    """Return the amount of so many seconds in so many visits."""
    return duration_s + visits * _ONE_VISIT


def parts_of(amount: Amount) -> tuple[int, int]:
    """Return the seconds and the number of visits of an amount."""
    visits, duration_s = divmod(amount, _ONE_VISIT)
    return duration_s, visits


def window_start_of(timestamp: float, length_s: int) -> int:
    """Return the start of a moment's window: windows start at whole multiples of their length since 1970 UTC."""
    return int(timestamp // length_s) * length_s


def fold(batch: VisitBatch, lengths_s: tuple[int, ...]) -> SumBatch:
    """Add a batch up: per length, window, board and entry the durations and the number of visits.

    Each of `lengths_s` is a multiple of the first: a visit is looked at once, for the shortest window, and the
    longer ones are rolled up from that.
    """
    dates = [visit.visit_date for visit in batch.visits]
    sums = _roll_up(_shortest_windows(batch.visits, dates, lengths_s[0]), lengths_s)
    latest = max(dates).timestamp() if dates else None
    counts = (len(batch.visits), len(batch.rejects))
    return SumBatch(batch.partition, batch.begin, batch.end, *counts, latest, sums)


@operator
def fold_windows(step_id: str, up: KeyedStream[VisitBatch], lengths_s: tuple[int, ...]) -> KeyedStream[SumBatch]:
    """Fold each batch of visits into its event-time tumbling windows.

    Stateless: what a batch adds is added to the database's totals by the sink. So nothing is ever late, no
    watermark closes a window, and no clock has a say.

    :arg step_id: Unique ID.
    :arg up: Batches of visits, keyed by partition.
    :arg lengths_s: Window lengths, seconds, rising, each a multiple of the first.
    :returns: Sums by length, window, board and entry, keyed by partition.
    """
    return op.map_value("fold", up, lambda batch: fold(batch, lengths_s))


_Entries = defaultdict[str, Amount]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Window(NamedTuple):
    begin: datetime
    end: datetime
    actions: _Entries
    countries: _Entries


def _shortest_windows(visits: Sequence[Visit], dates: Sequence[datetime], length_s: int) -> dict[int, _Window]:
    windows: dict[int, _Window] = {}
    begin = end = _EPOCH  # neighbours mostly share a window: it is looked up where it changes
    for date, visit in zip(dates, visits, strict=True):
        if not begin <= date < end:
            start = window_start_of(date.timestamp(), length_s)
            if start not in windows:
                windows[start] = _empty_window(start, length_s)
            begin, end, actions, countries = windows[start]
        amount = visit.duration + _ONE_VISIT
        actions[visit.last_action] += amount
        countries[visit.country] += amount
    return windows


def _empty_window(start: int, length_s: int) -> _Window:
    begin = datetime.fromtimestamp(start, UTC)
    return _Window(begin, begin + timedelta(seconds=length_s), defaultdict(int), defaultdict(int))


def _roll_up(windows: dict[int, _Window], lengths_s: tuple[int, ...]) -> Sums:
    sums: dict[Board, dict[str, Amount]] = {}
    for start, window in windows.items():
        for length_s in lengths_s:
            longer = window_start_of(start, length_s)
            add_to(sums, (length_s, longer, ACTION), window.actions)
            add_to(sums, (length_s, longer, COUNTRY), window.countries)
    return sums


def add_to(sums: dict[Board, dict[str, Amount]], board: Board, entries: Mapping[str, Amount]) -> None:
    """Add the amounts of a board's entries to `sums`."""
    present = sums.get(board)
    if present is None:
        sums[board] = dict(entries)
        return
    for entry, amount in entries.items():
        present[entry] = present.get(entry, 0) + amount
