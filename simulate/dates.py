"""Event time: milliseconds since 1970 UTC, how they are written, and the clocks they come from."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from process.errors import ExitCode, Fatal
from simulate.schedule import Schedule

END_MS = 4_102_444_800_000  # 2100-01-01T00:00:00Z: no valid visit is dated from here on

DatesMs = Callable[[int, int], list[int]]
"""Takes `first` and `number`; returns the dates of so many messages from the first on."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ENDINGS = [f".{millisecond:03}Z".encode() for millisecond in range(1000)]


def encode_date(date_ms: int) -> bytes:
    """Write a date as 2026-11-23T20:00:00.123Z."""
    second, millisecond = divmod(date_ms, 1000)
    return _second(second) + _ENDINGS[millisecond]


def encode_dates(dates_ms: Iterable[int]) -> dict[int, bytes]:
    """Write every date that occurs, once."""
    return {date_ms: encode_date(date_ms) for date_ms in set(dates_ms)}


@lru_cache(maxsize=4096)
def _second(second: int) -> bytes:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S").encode()


def milliseconds(date: datetime) -> int:
    """Return an aware date's milliseconds since 1970 UTC, truncated, not rounded."""
    return (date - _EPOCH) // _MILLISECOND


def in_zone(date_ms: int, zone: ZoneInfo) -> int | None:
    """Return the moment at which a clock in `zone` shows what a clock in UTC shows at `date_ms`.

    None where that is before 1970 or from 2100 on.
    """
    local = (_EPOCH + date_ms * _MILLISECOND).replace(tzinfo=zone)
    moment = milliseconds(local.astimezone(UTC))
    return moment if 0 <= moment < END_MS else None


def present(speed: Fraction) -> DatesMs:
    """Return the present time for each visit; at a speed other than 1, time runs faster or slower from now on."""
    begun_ms = time.time_ns() // 1_000_000

    def dates_ms(first: int, number: int) -> list[int]:
        now_ms = time.time_ns() // 1_000_000
        return [_checked(begun_ms + int((now_ms - begun_ms) * speed))] * number

    return dates_ms


def planned(start_ms: int, schedule: Schedule) -> DatesMs:
    """Return the time at which each visit is scheduled: the same on every run."""

    def dates_ms(first: int, number: int) -> list[int]:
        dates = [start_ms + date for date in schedule.dates_ms(first, number)]
        _checked(dates[-1])
        return dates

    return dates_ms


def _checked(date_ms: int) -> int:
    if date_ms >= END_MS:
        message = "event time has reached the year 2100, where valid visits end: choose an earlier --start"
        raise Fatal(message, ExitCode.CONFIG)
    return date_ms
