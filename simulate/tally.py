"""The run's figures: what was asked and sent, what Kafka has said to it, and the last minute second by second."""

import time
from collections import Counter, deque
from fractions import Fraction

from simulate.chunk import Chunk
from simulate.sender import Sender

MINUTE_S = 60


class Tally:
    """Counts what is sent, and samples once a second what has been acknowledged."""

    def __init__(self, sender: Sender, rate: Fraction | None) -> None:
        self.sender = sender
        self.rate = rate
        self.late = self.repeated = 0
        self.ending = False
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

    def sent(self, chunk: Chunk) -> None:
        """Count what is odd in a chunk."""
        self.late += len(chunk.late)
        self.repeated += len(chunk.repeated)
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
