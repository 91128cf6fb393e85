"""File descriptors: as many as the connections need, and one log line when they run out.

asyncio's server logs a traceback for every connection that it cannot accept, thousands a second.
"""

import asyncio
import errno
import logging
from typing import Any

from process.deadline import Deadline
from process.descriptors import raised_limit
from process.errors import ExitCode, Fatal

LOG_AGAIN_S = 60.0

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

logger = logging.getLogger(__name__)


def connections_within_limit(most: int, *, reserve: int) -> int:
    """Raise the soft limit of descriptors for `most` connections; return how many fit beside `reserve` others.

    :raises Fatal: not even one in ten fits.
    """
    wanted = most + reserve
    limit = raised_limit(wanted)
    fitting = min(most, limit - reserve)
    if fitting < most // 10:
        fewest = reserve + most // 10
        message = (
            f"the limit of open files is {limit}, but the leaderboard needs {fewest}; raise it (ulimit -n {wanted})"
        )
        raise Fatal(message, ExitCode.CONFIG)
    if fitting < most:
        message = "the limit of open files is %d: %d connections at most; ulimit -n %d allows %d"
        logger.warning(message, limit, fitting, wanted, most, extra={"action": "few_descriptors"})
    return fitting


class ExhaustionLog:
    """An exception handler of the event loop: an exhausted resource is one line a minute, and no traceback."""

    def __init__(self) -> None:
        self._again = Deadline(0)

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle what nothing else has caught."""
        exception = context.get("exception")
        if not (isinstance(exception, OSError) and exception.errno in _EXHAUSTED):
            loop.default_exception_handler(context)
        elif self._again.passed:
            self._again = Deadline(LOG_AGAIN_S)
            message = "connections cannot be accepted: %s; this line appears once a minute at most"
            logger.warning(message, exception.strerror, extra={"action": "exhausted"})
