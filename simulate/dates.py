"""The visits' own time: milliseconds since 1970 UTC, how they are written, and the clocks they come from."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from process.errors import ExitCode, Fatal
from simulate.schedule import Schedule

END_MS = 4_102_444_800_000  # 2100-01-01T00:00:00Z: from there on nothing is a visit

DatesMs = Callable[[int, int], list[int]]
"""Dates of `number` messages from the `first` on."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ENDINGS = [f".{millisecond:03}Z".encode() for millisecond in range(1000)]


def stamp(date_ms: int) -> bytes:
    """Write a date as 2026-11-23T20:00:00.123Z."""
    second, millisecond = divmod(date_ms, 1000)
    return _second(second) + _ENDINGS[millisecond]


def stamps(dates_ms: Iterable[int]) -> dict[int, bytes]:
    """Write every date that occurs, once."""
    return {date_ms: stamp(date_ms) for date_ms in set(dates_ms)}


@lru_cache(maxsize=4096)
def _second(second: int) -> bytes:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S").encode()


def milliseconds(date: datetime) -> int:
    """Return an aware date's milliseconds since 1970 UTC, the rest cut off."""
    return (date - _EPOCH) // _MILLISECOND


def in_zone(date_ms: int, zone: ZoneInfo) -> int | None:
    """Return the moment at which a clock in `zone` shows what a clock in UTC shows at `date_ms`.

    None where that is before 1970 or from 2100 on.
    """
    shown = (_EPOCH + date_ms * _MILLISECOND).replace(tzinfo=zone)
    moment = milliseconds(shown.astimezone(UTC))
    return moment if 0 <= moment < END_MS else None


def present(speed: Fraction) -> DatesMs:
    """Visits carry the present time; at another speed than 1, their time runs faster or slower from now on."""
    begun_ms = time.time_ns() // 1_000_000

    def dates_ms(first: int, number: int) -> list[int]:
        now_ms = time.time_ns() // 1_000_000
        return [_before_the_end(begun_ms + int((now_ms - begun_ms) * speed))] * number

    return dates_ms


def planned(start_ms: int, schedule: Schedule) -> DatesMs:
    """Visits carry the time at which the schedule has them: the same on every run."""

    def dates_ms(first: int, number: int) -> list[int]:
        dates = [start_ms + date for date in schedule.dates_ms(first, number)]
        _before_the_end(dates[-1])
        return dates

    return dates_ms


def _before_the_end(date_ms: int) -> int:
    if date_ms >= END_MS:
        message = "the visits' time has come to the year 2100, where visits end: choose an earlier --start"
        raise Fatal(message, ExitCode.CONFIG)
    return date_ms
