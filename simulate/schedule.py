"""When each visit is sent: a rate, a profile around it, and the speed of event time.

Whatever determines the bytes is computed in whole numbers, so that it is the same on any machine.
"""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from math import ceil, floor, pi, sin

PROFILES: dict[str, Sequence[int]] = {
    "steady": (1000,),
    "burst": (*(500,) * 9, 5500),
    "wave": tuple(1000 + round(900 * sin(2 * pi * second / 60)) for second in range(60)),
    "ramp": tuple(115 + 30 * second for second in range(60)),
}
"""Per profile, each second's share of the rate, in thousandths, repeated; 1000 on average."""

NOMINAL_RATE = Fraction(1000)
"""Visits per second of event time where no rate is given: flat out with --start."""


class Schedule:
    """The moments at which messages are due, in seconds of real time since the start.

    Message n is due when the profile has let n messages pass; message 0 at once. A profile is one of PROFILES, or
    shares like theirs.
    """

    def __init__(self, rate: Fraction, profile: str | Sequence[int] = "steady", speed: Fraction = Fraction(1)) -> None:
        self._rate = rate
        self._speed = speed
        self._shares = PROFILES[profile] if isinstance(profile, str) else profile
        self._before = [0, *accumulate(self._shares)][:-1]
        self._period = sum(self._shares)

    def due(self, elapsed_s: float) -> int:
        """Return how many messages are due after so many seconds."""
        return floor(self._passed(Fraction(elapsed_s))) + 1

    def messages_in(self, duration_s: Fraction) -> int:
        """Return how many messages are due before so many seconds are over."""
        return ceil(self._passed(duration_s))

    def due_s(self, message: int) -> float:
        """Return when a message is due, in seconds since the start."""
        numerator, step, denominator = self._line(self._second_of(message))
        return (numerator + step * message) / denominator

    def dates_ms(self, first: int, number: int) -> list[int]:
        """Return when messages first, first + 1, … are due in event time, milliseconds since the start."""
        dates: list[int] = []
        position, end = first, first + number
        while position < end:
            second = self._second_of(position)
            constant, step, denominator = self._line(second)
            stop = min(end, self._first_from(second + 1))
            constant *= 1000 * self._speed.numerator
            step *= 1000 * self._speed.numerator
            denominator *= self._speed.denominator
            dates += [(constant + step * message) // denominator for message in range(position, stop)]
            position = stop
        return dates

    def _passed(self, elapsed_s: Fraction) -> Fraction:
        second = floor(elapsed_s)
        share = self._shares[second % len(self._shares)]
        return self._rate * (self._shares_before(second) + (elapsed_s - second) * share) / 1000

    def _shares_before(self, second: int) -> int:
        periods, rest = divmod(second, len(self._shares))
        return periods * self._period + self._before[rest]

    def _second_of(self, message: int) -> int:
        shares = 1000 * self._rate.denominator * message // self._rate.numerator
        periods, rest = divmod(shares, self._period)
        return periods * len(self._shares) + bisect_right(self._before, rest) - 1

    def _first_from(self, second: int) -> int:
        return ceil(self._rate * self._shares_before(second) / 1000)

    def _line(self, second: int) -> tuple[int, int, int]:
        """Within a second, message n is due at (constant + step * n) / denominator seconds."""
        share = self._shares[second % len(self._shares)]
        passed = self._rate.numerator * self._shares_before(second)
        denominator = self._rate.numerator * share
        return second * denominator - passed, 1000 * self._rate.denominator, denominator
