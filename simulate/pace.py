"""The pace of a replay: when each visit is due, by the recorded dates."""

import sys
from fractions import Fraction

_DAY_MS = 86_400_000


class Pace:
    """The recorded pace, `speed` times as fast; between two visits no wait is longer than `max_gap_s`.

    A visit that is dated before the latest one is due at once. A jump beyond the longest wait is shortened to it;
    if the visit after it is dated before the jump's end again, the pace continues from before the jump: one wrong
    date does not make all others due at once.
    """

    def __init__(self, speed: Fraction, max_gap_s: Fraction, name: str = "") -> None:
        self._speed, self._name = speed, name
        self._max_gap_ms = max_gap_s * speed * 1000
        self._due_ms = Fraction(0)  # of event time
        self._latest_ms: int | None = None
        self._before_jump_ms: int | None = 0
        self._visits = 0
        self._reported = False

    def due_s(self, date_ms: int) -> float:
        """Return when the next visit is due, seconds since the start; `date_ms` is its date."""
        self._visits += 1
        latest_ms = date_ms if self._latest_ms is None else self._latest_ms
        before_ms, self._before_jump_ms = self._before_jump_ms, None
        if before_ms is not None and date_ms < latest_ms - self._max_gap_ms:
            latest_ms = before_ms or date_ms
        gap_ms = Fraction(max(0, date_ms - latest_ms))
        if gap_ms > self._max_gap_ms:
            self._before_jump_ms = latest_ms
            self._report(gap_ms)
        elif self._visits == 1:
            self._before_jump_ms = 0
        self._due_ms += min(gap_ms, self._max_gap_ms)
        self._latest_ms = max(latest_ms, date_ms)
        return float(self._due_ms / (1000 * self._speed))

    def _report(self, gap_ms: Fraction) -> None:
        """Report the first shortened gap, not each of thousands."""
        if self._reported:
            return
        self._reported = True
        gap = f"{float(gap_ms) / _DAY_MS:,.0f} days" if gap_ms >= 2 * _DAY_MS else f"{float(gap_ms) / 1000:,.0f} s"
        wait = f"{float(self._max_gap_ms / self._speed) / 1000:g} s"
        what = (
            f"before visit {self._visits} the dates jump by {gap}: longer waits than {wait} are shortened (--max-gap)"
        )
        print(f"simulate: --replay {self._name}: {what}", file=sys.stderr, flush=True)
