"""The visits of each window, counted by the fields that boards total by."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from operators.batches import Amount
from operators.boards import Board, entry_of
from operators.visit import Visit

_ONE_VISIT = 1 << 60


def amount_of(duration_s: int, visits: int) -> Amount:
    """Return the amount of so many seconds in so many visits."""
    return duration_s + visits * _ONE_VISIT


def parts_of(amount: Amount) -> tuple[int, int]:
    """Return the seconds and the number of visits of an amount."""
    visits, duration_s = divmod(amount, _ONE_VISIT)
    return duration_s, visits


Cells = Iterator[tuple[tuple[str, ...], Amount]]
"""The values of each combination of a window, in the order of the fields, and its amount."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """A window: its start in seconds since 1970 UTC, and its dates, the end not included."""

    start: int
    begin: datetime
    end: datetime

    @classmethod
    def around(cls, date: datetime, length_s: int) -> "Span":
        """Return the window of a date."""
        start = window_start_of(date.timestamp(), length_s)
        begin = datetime.fromtimestamp(start, UTC)
        return cls(start, begin, begin + timedelta(seconds=length_s))


def window_start_of(timestamp: float, length_s: int) -> int:
    """Return the start of a moment's window: windows start at whole multiples of their length since 1970 UTC."""
    return int(timestamp // length_s) * length_s


def _by_action_and_country(visits: Sequence[Visit], dates: Sequence[datetime], length_s: int) -> dict[int, Cells]:
    """Count the visits of each window by what the usual boards need: 0.10 µs a visit, where any fields take 0.15."""
    windows: dict[int, defaultdict[str, defaultdict[str, list[int]]]] = {}
    begin = end = _EPOCH
    for date, visit in zip(dates, visits, strict=True):
        if not begin <= date < end:  # neighbours mostly share a window: it is looked up only where it changes
            start, begin, end = Span.around(date, length_s)
            if start not in windows:
                windows[start] = defaultdict(lambda: defaultdict(list))
            cells = windows[start]
        cells[visit.last_action][visit.country].append(visit.duration)
    return {start: map(_amount, _pairs(cells)) for start, cells in windows.items()}


def _pairs(cells: Mapping[str, Mapping[str, list[int]]]) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    for action, by_country in cells.items():
        for country, durations_s in by_country.items():
            yield (action, country), durations_s


def _by_any(
    fields: Sequence[str], visits: Sequence[Visit], dates: Sequence[datetime], length_s: int
) -> dict[int, Cells]:
    windows: dict[int, defaultdict[tuple[str, ...], list[int]]] = {}
    begin = end = _EPOCH
    columns = [map(attrgetter(field), visits) for field in fields]
    for date, values, visit in zip(dates, zip(*columns, strict=True), visits, strict=True):
        if not begin <= date < end:
            start, begin, end = Span.around(date, length_s)
            if start not in windows:
                windows[start] = defaultdict(list)
            cells = windows[start]
        cells[values].append(visit.duration)
    return {start: map(_amount, cells.items()) for start, cells in windows.items()}


def _amount(cell: tuple[tuple[str, ...], list[int]]) -> tuple[tuple[str, ...], Amount]:
    """Return a cell with its amount: to append durations takes half as long as to add each to two sums."""
    values, durations_s = cell
    return values, amount_of(sum(durations_s), len(durations_s))


_USUAL = ("last_action", "country")


class Tally:
    """Totals visits by a set of boards."""

    def __init__(self, boards: Sequence[Board]) -> None:
        used = {field for board in boards for field in board.fields}
        fields = _USUAL if used <= set(_USUAL) else tuple(sorted(used))
        self._count = _by_action_and_country if fields == _USUAL else partial(_by_any, fields)
        places = {board.name: [fields.index(field) for field in board.fields] for board in boards}
        self._names = tuple(places)
        self._single = [(name, of[0]) for name, of in places.items() if len(of) == 1]
        self._joined = [(name, of) for name, of in places.items() if len(of) > 1]

    def windows(
        self, visits: Sequence[Visit], dates: Sequence[datetime], length_s: int
    ) -> dict[int, dict[str, dict[str, Amount]]]:
        """Return the amounts by window start, board and entry; `dates` are those of the visits."""
        return {start: self._by_board(cells) for start, cells in self._count(visits, dates, length_s).items()}

    def _by_board(self, cells: Cells) -> dict[str, dict[str, Amount]]:
        totals: dict[str, dict[str, Amount]] = {name: defaultdict(int) for name in self._names}
        single = [(totals[name], place) for name, place in self._single]
        joined = [(totals[name], places) for name, places in self._joined]
        for values, amount in cells:
            for entries, place in single:  # most boards: 0.03 µs a visit less than to join one value
                entries[values[place]] += amount
            for entries, places in joined:
                entries[entry_of([values[place] for place in places])] += amount
        return totals
