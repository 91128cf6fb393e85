"""Event-time tumbling windows: every visit counts in the window of its own visitDate, whenever it arrives."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.batches import Amount, SumBatch, Sums, VisitBatch, Window
from operators.boards import Board
from operators.cells import Tally, window_start_of


def folder(lengths_s: tuple[int, ...], boards: Sequence[Board]) -> Callable[[VisitBatch], SumBatch]:
    """Return the function that adds a batch up: per length, window, board and entry the durations and the visits.

    Each of `lengths_s` is a multiple of the first: each visit is added once, to its shortest window, and the
    longer ones are rolled up from these.
    """
    tally = Tally(boards)

    def fold(batch: VisitBatch) -> SumBatch:
        dates = [visit.visit_date for visit in batch.visits]
        windows = tally.windows(batch.visits, dates, lengths_s[0])
        return SumBatch(
            partition=batch.partition,
            begin=batch.begin,
            end=batch.end,
            visits=len(batch.visits),
            rejected=len(batch.rejects),
            max_timestamp=max(dates).timestamp() if dates else None,
            sums=_roll_up(windows, lengths_s),
            last_read=batch.last_read,
        )

    return fold


@operator
def fold_windows(
    step_id: str, up: KeyedStream[VisitBatch], lengths_s: tuple[int, ...], boards: Sequence[Board]
) -> KeyedStream[SumBatch]:
    """Fold each batch of visits into its event-time tumbling windows.

    Stateless: the sink adds each batch's sums to the database's totals. So nothing is ever late: no watermark
    closes a window, and no clock is read.

    :arg step_id: Unique ID.
    :arg up: Batches of visits, keyed by partition.
    :arg lengths_s: Window lengths, seconds, rising, each a multiple of the first.
    :arg boards: What the visits are totalled by.
    :returns: Sums by length, window, board and entry, keyed by partition.
    """
    return op.map_value("fold", up, folder(lengths_s, boards))


def _roll_up(windows: Mapping[int, Mapping[str, dict[str, Amount]]], lengths_s: tuple[int, ...]) -> Sums:
    shortest, *longer = lengths_s
    sums: dict[Window, dict[str, Amount]] = {}
    for start, boards in windows.items():
        for board, entries in boards.items():
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
