"""SIGTERM and SIGINT (Ctrl-C): how a program that must end in order receives them."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether SIGTERM or SIGINT has been received, and how often: a second one may mean more than the first.

    Not a threading.Event: set() in a handler waits for ever for the lock that an interrupted wait() holds.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._reader, self._writer = os.pipe()

    def set(self) -> None:
        """Count a request to stop, and wake whatever waits for it."""
        self.requests += 1
        os.write(self._writer, b"!")

    def is_set(self) -> bool:
        """Return whether a stop was requested."""
        return self.requests > 0

    def wait(self, timeout_s: float) -> bool:
        """Wait until a stop is requested, at most this long; return whether it was."""
        poll = select.poll()  # select() fails for descriptors from 1024 on
        poll.register(self._reader, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._reader)
        os.close(self._writer)


def hold_signals() -> None:
    """Hold SIGTERM and SIGINT back from here on, except in `stop_signals`: there those held before are received.

    For a program that ends with its own code whenever it is told to. The threads that it starts inherit this.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Count SIGTERM and SIGINT, instead of ending by them, for as long as this lasts."""
    stop = Stop()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in _NUMBERS}
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, _NUMBERS)
    try:
        yield stop
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in previous.items():
            signal.signal(number, handler)
        stop.close()
