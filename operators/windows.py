"""Event-time tumbling windows: every visit counts in the window of its own visitDate, whenever it arrives."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import NamedTuple

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.batches import Amount, SumBatch, Sums, VisitBatch, Window
from operators.visit import Visit

ACTION = "action"
COUNTRY = "country"

_ONE_VISIT = 1 << 60


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

    Each of `lengths_s` is a multiple of the first: each visit is added once, to its shortest window, and the
    longer ones are rolled up from these.
    """
    dates = [visit.visit_date for visit in batch.visits]
    sums = _roll_up(_shortest_windows(batch.visits, dates, lengths_s[0]), lengths_s)
    latest = max(dates).timestamp() if dates else None
    return SumBatch(
        partition=batch.partition,
        begin=batch.begin,
        end=batch.end,
        visits=len(batch.visits),
        rejected=len(batch.rejects),
        max_timestamp=latest,
        sums=sums,
        last_read=batch.last_read,
    )


@operator
def fold_windows(step_id: str, up: KeyedStream[VisitBatch], lengths_s: tuple[int, ...]) -> KeyedStream[SumBatch]:
    """Fold each batch of visits into its event-time tumbling windows.

    Stateless: the sink adds each batch's sums to the database's totals. So nothing is ever late: no watermark
    closes a window, and no clock is read.

    :arg step_id: Unique ID.
    :arg up: Batches of visits, keyed by partition.
    :arg lengths_s: Window lengths, seconds, rising, each a multiple of the first.
    :returns: Sums by length, window, board and entry, keyed by partition.
    """
    return op.map_value("fold", up, lambda batch: fold(batch, lengths_s))


_Cells = defaultdict[str, defaultdict[str, list[int]]]
"""The durations of each action and country: to append one takes half as long as to add it to two sums."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _OpenWindow(NamedTuple):
    begin: datetime
    end: datetime
    cells: _Cells


def _shortest_windows(visits: Sequence[Visit], dates: Sequence[datetime], length_s: int) -> dict[int, _OpenWindow]:
    windows: dict[int, _OpenWindow] = {}
    begin, end, cells = _EPOCH, _EPOCH, _empty_cells()
    for date, visit in zip(dates, visits, strict=True):
        if not begin <= date < end:  # neighbours mostly share a window: it is looked up only where it changes
            start = window_start_of(date.timestamp(), length_s)
            if start not in windows:
                windows[start] = _empty_window(start, length_s)
            begin, end, cells = windows[start]
        cells[visit.last_action][visit.country].append(visit.duration)
    return windows


def _empty_window(start: int, length_s: int) -> _OpenWindow:
    begin = datetime.fromtimestamp(start, UTC)
    return _OpenWindow(begin, begin + timedelta(seconds=length_s), _empty_cells())


def _empty_cells() -> _Cells:
    return defaultdict(lambda: defaultdict(list))


def _boards_of(cells: _Cells) -> dict[str, dict[str, Amount]]:
    actions: dict[str, Amount] = {}
    countries: defaultdict[str, Amount] = defaultdict(int)
    for action, durations_by_country in cells.items():
        actions[action] = 0
        for country, durations_s in durations_by_country.items():
            amount = amount_of(sum(durations_s), len(durations_s))
            actions[action] += amount
            countries[country] += amount
    return {ACTION: actions, COUNTRY: countries}


def _roll_up(windows: dict[int, _OpenWindow], lengths_s: tuple[int, ...]) -> Sums:
    shortest, *longer = lengths_s
    sums: dict[Window, dict[str, Amount]] = {}
    for start, window in windows.items():
        for board, entries in _boards_of(window.cells).items():
            sums[shortest, start, board] = entries
    sums_by_length = {shortest: sums}
    for length_s in longer:
        finer = max(each for each in sums_by_length if length_s % each == 0)  # it has the fewest windows to add up
        sums_by_length[length_s] = _coarser(sums_by_length[finer], length_s)
    return dict(chain.from_iterable(each.items() for each in sums_by_length.values()))


def _coarser(sums: Sums, length_s: int) -> dict[Window, dict[str, Amount]]:
    coarser: dict[Window, dict[str, Amount]] = {}
    for (_, start, board), entries in sums.items():
        add_to(coarser, (length_s, window_start_of(start, length_s), board), entries)
    return coarser


def add_to(sums: dict[Window, dict[str, Amount]], window: Window, entries: Mapping[str, Amount]) -> None:
    """Add the amounts of the entries of one window to `sums`."""
    present = sums.get(window)
    if present is None:
        sums[window] = dict(entries)
        return
    for entry, amount in entries.items():
        present[entry] = present.get(entry, 0) + amount
