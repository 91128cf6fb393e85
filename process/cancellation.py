"""Cancels work on another thread."""

import threading


class Cancelled(Exception):  # noqa: N818 - it is no error: it ends the work that was cancelled
    """The work was cancelled; it ends here, and commits nothing more."""


class Cancellation:
    """A request to end, made on any thread; the work checks it between its steps."""

    def __init__(self) -> None:
        self._requested = threading.Event()

    def request(self) -> None:
        """Request the end."""
        self._requested.set()

    def is_requested(self) -> bool:
        """Return whether the end was requested."""
        return self._requested.is_set()

    def check(self) -> None:
        """Do nothing unless the end was requested.

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
