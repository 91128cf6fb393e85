"""The run's figures: what was sent, what Kafka has acknowledged, and the last minute second by second."""

import time
from collections import Counter, deque
from fractions import Fraction

from simulate.chunk import Chunk
from simulate.sender import Sender

MINUTE_S = 60


class RunStats:
    """Counts what is sent, and samples once a second what has been acknowledged."""

    def __init__(self, sender: Sender, rate: Fraction | None) -> None:
        self.sender = sender
        self.rate = rate
        self.late = self.duplicates = 0
        self.draining = False
        self.rejected: Counter[str] = Counter()
        self.last_minute: deque[int] = deque(maxlen=MINUTE_S)
        self._begun = self._sampled = time.monotonic()
        self._begun_cpu_s = time.process_time()
        self._acknowledged = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begun

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time since the start, Kafka's client included."""
        return time.process_time() - self._begun_cpu_s

    def count(self, chunk: Chunk) -> None:
        """Count the anomalies in a chunk that was sent."""
        self.late += len(chunk.late)
        self.duplicates += len(chunk.duplicates)
        self.rejected.update(chunk.rejected.values())

    def sample(self) -> bool:
        """Note the messages acknowledged per second, if a second is over; return whether it is."""
        now = time.monotonic()
        if now - self._sampled < 1:
            return False
        acknowledged = self.sender.acknowledged
        self.last_minute.append(round((acknowledged - self._acknowledged) / (now - self._sampled)))
        self._sampled, self._acknowledged = now, acknowledged
        return True
