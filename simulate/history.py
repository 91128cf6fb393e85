"""A past: visits that are sent at once, and the live ones that follow them."""

from collections.abc import Callable
from typing import Protocol

from simulate.chunk import MAX_MESSAGES, Chunk


class MessageSource(Protocol):
    """Where messages come from."""

    @property
    def done(self) -> bool:
        """Whether all have been taken."""

    def due(self, elapsed_s: float) -> int:
        """Return how many may be taken now."""

    def behind_s(self, elapsed_s: float) -> float:
        """Return for how long the next one has been due, seconds."""

    def take(self, number: int) -> Chunk:
        """Return the next ones: one at least, `number` at most."""


class Preloaded:
    """All messages of `history` at once, then those of `live`, which begins when the history has been taken."""

    def __init__(self, history: MessageSource, live: Callable[[], MessageSource] | None) -> None:
        self._source, self._live = history, live
        self._begun_s = 0.0
        self._taken = self._taken_before = 0

    @property
    def done(self) -> bool:
        """Whether all messages have been taken."""
        return self._source.done and self._live is None

    def due(self, elapsed_s: float) -> int:
        """Return how many messages may be taken now."""
        if self._source.done and self._live is not None:
            self._source, self._live = self._live(), None
            self._begun_s, self._taken_before = elapsed_s, self._taken
        return self._source.due(elapsed_s - self._begun_s)

    def behind_s(self, elapsed_s: float) -> float:
        """Return for how long the next message has been due, seconds."""
        return self._source.behind_s(elapsed_s - self._begun_s)

    def take(self, number: int) -> Chunk:
        """Return the next messages: one at least, `number` at most."""
        chunk = self._source.take(min(number, MAX_MESSAGES))
        chunk.first += self._taken_before  # messages without keys are distributed round-robin over both
        self._taken += len(chunk.values)
        return chunk
