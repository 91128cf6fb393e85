"""Which windows make up a range of time, so that it is read from the fewest rows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

RANGES = ("window", "1m", "5m", "1h", "today", "all")

_SPANS_S = {"1m": 60, "5m": 300, "1h": 3600}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_S = 4_102_444_800  # 2100-01-01: no visit is later


class Run(NamedTuple):
    """Neighbouring windows of one length; times in seconds since 1970 UTC, the end not included."""

    length_s: int
    start_s: int
    end_s: int


def span_of(range_name: str, as_of: datetime, lengths_s: Sequence[int]) -> tuple[int, int]:
    """Return a range's start and end, seconds since 1970 UTC, at whole windows of the shortest length.

    It ends with the window of `as_of`; `all` includes all that has been counted, visits dated in the future too.
    """
    shortest_s = lengths_s[0]
    end_s = (seconds_of(as_of) // shortest_s + 1) * shortest_s
    if range_name == "all":
        return 0, _ceiled(_END_S, lengths_s[-1])
    if range_name == "today":
        midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
        return seconds_of(midnight) // shortest_s * shortest_s, end_s
    return end_s - _ceiled(_SPANS_S.get(range_name, shortest_s), shortest_s), end_s


def before(range_name: str, start_s: int, end_s: int, lengths_s: Sequence[int]) -> tuple[int, int] | None:
    """Return the period that a range is compared with: as long, and ending where the range begins.

    For today it is the whole of yesterday; for `all` there is none.
    """
    if range_name == "all":
        return None
    if range_name == "today":
        yesterday_s = (start_s - 86_400) // lengths_s[0] * lengths_s[0]
        return max(0, yesterday_s), start_s
    return max(0, 2 * start_s - end_s), start_s


def runs_of(start_s: int, end_s: int, lengths_s: Sequence[int]) -> list[Run]:
    """Cover [start_s, end_s) with the longest windows that fit, in order of time.

    `lengths_s` rises, and start and end are whole multiples of its first.
    """
    if start_s >= end_s or not lengths_s:
        return []
    *shorter, length_s = lengths_s
    first_s, last_s = _ceiled(start_s, length_s), end_s // length_s * length_s
    if first_s >= last_s:
        return runs_of(start_s, end_s, shorter)
    middle = Run(length_s, first_s, last_s)
    return [*runs_of(start_s, first_s, shorter), middle, *runs_of(last_s, end_s, shorter)]


def seconds_of(moment: datetime) -> int:
    """Return whole seconds since 1970 UTC."""
    return (moment - _EPOCH) // timedelta(seconds=1)


def moment_of(second: int) -> datetime:
    """Return the moment of seconds since 1970 UTC."""
    return _EPOCH + timedelta(seconds=second)


def _ceiled(second: int, length_s: int) -> int:
    return -(-second // length_s) * length_s
