"""A line every ten seconds while there is work: how much is counted, how fast, and how long the rest takes."""

import logging
import threading
import time
from typing import NamedTuple

from partition.figures import OWNED, OwnedPartitions

INTERVAL_S = 10.0

logger = logging.getLogger(__name__)


class Reading(NamedTuple):
    """What this process has committed and what waits for it, at one moment; `lag` is None while it is unknown."""

    at_s: float
    messages: int
    lag: int | None


def line_of(before: Reading, now: Reading) -> str | None:
    """Return the line about the time between two readings; None when nothing was counted and nothing waits."""
    counted, elapsed_s = now.messages - before.messages, now.at_s - before.at_s
    if not counted and not now.lag:
        return None
    rate = counted / elapsed_s
    figures = f"{now.messages:,} messages counted, {rate:,.0f}/s"
    if now.lag is None:
        return figures
    if not now.lag:
        return f"{figures}, none waits in Kafka"
    left = f"about {now.lag / rate:,.0f} s left" if rate else "none was counted since the last line"
    return f"{figures}, {now.lag:,} wait in Kafka: {left}"


class ProgressLog:
    """Logs the lines of this process, on a thread that ends with it."""

    def __init__(self, owned: OwnedPartitions = OWNED) -> None:
        self._owned = owned

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="progress", daemon=True).start()

    def _run(self) -> None:
        before = self._read()
        while True:
            time.sleep(INTERVAL_S)
            now = self._read()
            if line := line_of(before, now):
                logger.info("%s", line, extra={"action": "progress", "messages": now.messages, "lag": now.lag})
            before = now

    def _read(self) -> Reading:
        return Reading(time.monotonic(), self._owned.messages, self._owned.lag())
