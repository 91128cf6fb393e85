"""SIGTERM and SIGINT (Ctrl-C): how a program that must end in order notes them."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """Whether SIGTERM or SIGINT has come.

    No threading.Event: set() in a handler waits for ever for the lock that an interrupted wait() holds.
    """

    def __init__(self) -> None:
        self._hears, self._tells = os.pipe()

    def set(self) -> None:
        """Note that the end was asked for."""
        os.write(self._tells, b"!")

    def is_set(self) -> bool:
        """Tell whether it was."""
        return self.wait(0)

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is, but no longer than this; tell whether it was."""
        return bool(select.select([self._hears], [], [], timeout_s)[0])

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._hears)
        os.close(self._tells)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Note SIGTERM and SIGINT for as long as this lasts."""
    stop = Stop()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        stop.close()
