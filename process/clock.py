"""Detects that the system clock was set back."""

import time


class ClockWatch:
    """Compares the system clock with the monotonic clock, which is never set."""

    def __init__(self) -> None:
        self._lead_s = time.time() - time.monotonic()

    def set_back_s(self) -> float:
        """Return by how many seconds the system clock was set back since the last call, 0 if it was not."""
        before_s, self._lead_s = self._lead_s, time.time() - time.monotonic()
        return max(0.0, before_s - self._lead_s)
