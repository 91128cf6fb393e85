"""Shows this process's supervisor that all of its work moves: one byte a second through a pipe."""

import os
import stat
import threading
import time
from contextlib import suppress

VARIABLE = "HEARTBEAT_FD"
"""The environment variable by which a supervisor hands a process the write end of a pipe."""

RESTARTS_VARIABLE = "WEBSITE_ANALYTICS_RESTARTS"
"""The one by which it tells how often it has started its processes again."""

INTERVAL_S = 1.0


class Heartbeat:
    """The parts of this process's work: there is a beat only if each of them has moved since the one before.

    A process that was stopped does not beat, nor one with a worker that hangs, nor one whose parts were closed before
    their end. One without any part beats: it has nothing that could hang.
    """

    def __init__(self) -> None:
        self._parts: set[int] = set()
        self._moved: set[int] = set()

    def begin(self, part: int) -> None:
        """Expect this part to move."""
        self._parts.add(part)

    def moved(self, part: int) -> None:
        """Note that this part moves; cheap enough for every batch."""
        self._moved.add(part)

    def finish(self, part: int) -> None:
        """Expect nothing more of this part: it has reached its end."""
        self._parts.discard(part)

    def all_moved(self) -> bool:
        """Return whether every part has moved since this was last true."""
        if not self._parts <= self._moved:
            return False
        self._moved.clear()
        return True

    def start(self) -> None:
        """Begin to beat, if a supervisor has started this process; its children do not inherit the pipe."""
        with suppress(KeyError, ValueError, OSError):
            pipe = int(os.environ.pop(VARIABLE))
            if stat.S_ISFIFO(os.fstat(pipe).st_mode):
                os.set_inheritable(pipe, False)
                threading.Thread(target=self._beat, args=(pipe,), name="heartbeat", daemon=True).start()

    def _beat(self, pipe: int) -> None:
        with suppress(BrokenPipeError):  # the supervisor has ended
            while True:
                if self.all_moved():
                    with suppress(BlockingIOError):  # it was stopped itself: the pipe is full
                        os.write(pipe, b".")
                time.sleep(INTERVAL_S)
