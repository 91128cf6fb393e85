"""Ctrl-C and SIGTERM: the first ends the visits, the second gives up those that are still under way."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """How often the user has asked for the end."""

    def __init__(self) -> None:
        self.asked = 0

    def __bool__(self) -> bool:
        return self.asked > 0

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Count SIGINT and SIGTERM instead of dying of them."""
        before = {number: signal.signal(number, self._count) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
