"""How work on another thread is told that its result is no longer wanted."""

import threading


class Cancelled(Exception):  # noqa: N818 - it is no error: it ends the work that was cancelled
    """The work was cancelled; it ends here, and commits nothing more."""


class Cancellation:
    """A request to end, made once, on any thread; the work looks at it between its steps."""

    def __init__(self) -> None:
        self._requested = threading.Event()

    def request(self) -> None:
        """Ask the work to end."""
        self._requested.set()

    def check(self) -> None:
        """Go on unless the end was requested.

        :raises Cancelled: it was.
        """
        if self._requested.is_set():
            raise Cancelled

    def sleep(self, seconds: float) -> None:
        """Wait so long, or until the end is requested.

        :raises Cancelled: it was.
        """
        if self._requested.wait(seconds):
            raise Cancelled
