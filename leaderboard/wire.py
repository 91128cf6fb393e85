"""What the page and the API receive, as JSON: every name here is public and documented at /api."""

from datetime import datetime
from typing import Any, Literal

import msgspec


class Standing(msgspec.Struct, frozen=True):
    """An entry of a board; `previous_rank` is that of the period before, None if it was not on the board.

    `trend` is the duration in seconds per bucket of the range, None beyond the first `TREND_ENTRIES` entries.
    `name` and `flag` are those of the country that `entry` is the code of, None for every other entry.
    """

    rank: int
    entry: str
    duration_s: int
    visits: int
    share: float
    previous_rank: int | None = None
    trend: list[int] | None = None
    name: str | None = None
    flag: str | None = None


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """One board; its figures are of all `entries_total`, `entries` may be fewer.

    It lacks visits before `complete_from`, if that is not None: it was added to a database that had counted.
    """

    board: str
    title: str
    complete_from: datetime | None
    entries_total: int
    duration_s: int
    visits: int
    entries: list[Standing]

    def limited(self, limit: int) -> "Board":
        """Return the board with its first entries only."""
        return msgspec.structs.replace(self, entries=self.entries[:limit])


class Period(msgspec.Struct, frozen=True):
    """A period of time, the end not included."""

    start: datetime
    end: datetime


class Series(msgspec.Struct, frozen=True):
    """Visits per bucket, the first one from `start` on; the window that is still filling is left out."""

    start: datetime
    bucket_s: int
    visits: list[int]


class RangeReading(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one range, at one instant of the database."""

    range: str
    start: datetime
    end: datetime
    as_of: datetime
    compared_with: Period | None
    trend_bucket_s: int | None
    boards: dict[str, Board]
    series: Series | None

    def limited(self, limit: int) -> dict[str, Any]:
        """Return the reading as JSON has it: the boards by their names, with their first entries only."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name not in {"boards", "series"}}
        boards = {name: board.limited(limit) for name, board in self.boards.items()}
        return fields | boards | {"series": self.series}


class PartitionLag(msgspec.Struct, frozen=True):
    """How many messages of a partition wait to be counted, None if Kafka does not report it."""

    partition: int
    next_offset: int
    lag: int | None


Difference = dict[str, Any]
"""A window whose two totals differ: the database is wrong. `length_s`, `window_start`, and of each of the two boards
its totals, such as `visits_by_action` and `duration_s_by_action`."""


class TwoWaySum(msgspec.Struct, frozen=True, kw_only=True):
    """Whether every window has the same total on both of two boards, as the last complete pass found it.

    `boards` are the two; with fewer there is nothing to compare.
    """

    state: Literal["unchecked", "equal", "different"] = "unchecked"
    boards: tuple[str, ...] = ()
    windows: int = 0
    checked_at: datetime | None = None
    difference: Difference | None = None


State = Literal["starting", "live", "stale", "away", "unprovisioned"]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the figures; `why` is the reason if they are not live, `next_command` the command that helps."""

    state: State
    why: str | None
    next_command: str | None
    as_of: datetime | None
    read_at: datetime | None
    messages: int | None
    visits: int | None
    rejected: int | None
    visits_per_s: float | None
    lag: int | None
    lag_why: str | None
    partitions: list[PartitionLag]
    two_way_sum: TwoWaySum
