"""The supervisor's end of its processes' heartbeats."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress

from process.heartbeat import VARIABLE

_OWN_PAUSE_S = 5.0  # a supervisor that polls ten times a second was stopped itself, perhaps with all others


class Pulse:
    """One process's heartbeat: nothing is expected of a process that has never beaten."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self.writer, False)
        self._beaten_at: float | None = None
        self._looked_at = time.monotonic()

    def environment(self, environ: Mapping[str, str] | None) -> dict[str, str]:
        """Return the environment of the process that beats."""
        return {**(os.environ if environ is None else environ), VARIABLE: str(self.writer)}

    def silence_s(self) -> float:
        """Return the seconds since the last beat; 0 before the first."""
        now = time.monotonic()
        paused = now - self._looked_at > _OWN_PAUSE_S
        self._looked_at = now
        if self._has_beaten() or (paused and self._beaten_at is not None):
            self._beaten_at = now
        return 0.0 if self._beaten_at is None else now - self._beaten_at

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._reader)
        os.close(self.writer)

    def _has_beaten(self) -> bool:
        with suppress(BlockingIOError):
            return bool(os.read(self._reader, 65_536))
        return False
