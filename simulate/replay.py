"""Replay of recorded visits, at their recorded pace, faster, or flat out."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from oracle.message import Visit
from process.errors import ExitCode, Fatal
from process.signals import Stop
from simulate.chunk import MAX_MESSAGES, Chunk
from simulate.pace import Pace
from simulate.recorded import messages_in
from simulate.shape import Shape
from simulate.templates import Template, Templates


class _Line(NamedTuple):
    value: bytes
    due_s: float
    visit: Visit | None
    reason: str


class Replay:
    """The file's messages, byte by byte; CSV rows as JSON. The file is read as it is sent, never whole.

    `pace` decides when a visit is due; an invalid message is due with its predecessor. Without a pace all are due
    at once. A requested `stop` ends the wait for more input.

    :raises Fatal: the file cannot be read.
    """

    def __init__(  # noqa: PLR0913 - each decides another property of the messages
        self,
        path: Path,
        *,
        pace: Pace | None,
        until: int | None,
        key: str,
        shape: Shape | None = None,
        stop: Stop | None = None,
    ) -> None:
        self._key, self._shape = key, shape or Shape()
        self._lines = islice(self._dated(messages_in(path, stop, self._shape), pace), until)
        self._taken = self._next = 0
        self._failure: Fatal | None = None
        self._read()
        if self._failure and not self._block:
            raise self._failure

    @property
    def done(self) -> bool:
        """Whether all messages have been taken."""
        return not self._block and not self._failure

    def due(self, elapsed_s: float) -> int:
        """Return how many messages may be taken now."""
        return bisect_right(self._due_times_s, elapsed_s) - self._next if self._block else 1

    def behind_s(self, elapsed_s: float) -> float:
        """Return for how long the next message has been due, seconds."""
        due_s = self._due_times_s[self._next] if self._block else 0.0
        return elapsed_s - due_s if due_s else 0.0

    def take(self, number: int) -> Chunk:
        """Return the next messages: one at least, `number` at most.

        :raises Fatal: the file cannot be read any further; everything before has been taken.
        """
        if self._failure and not self._block:
            message = f"{self._failure.message}; the replay is incomplete: it ended after {self._taken} messages"
            raise Fatal(message, ExitCode.CONFIG)
        lines = self._block[self._next : self._next + number]
        chunk = self._chunk(lines)
        self._taken += len(lines)
        self._next += len(lines)
        if self._next == len(self._block):
            self._next = 0
            self._read()
        return chunk

    def _read(self) -> None:
        """Read a block; what is before a line that cannot be read is sent first."""
        self._block: list[_Line] = []
        if self._failure:
            return
        try:
            for line in islice(self._lines, MAX_MESSAGES):
                self._block.append(line)  # one by one: those before a failure are kept
        except Fatal as failure:
            self._failure = failure
        self._due_times_s = [line.due_s for line in self._block]

    def _dated(self, messages: Iterable[bytes], pace: Pace | None) -> Iterator[_Line]:
        due_s = 0.0
        for value in messages:
            outcome = self._shape.classify(value)
            if not isinstance(outcome, Visit):
                yield _Line(value, due_s, None, outcome)
                continue
            if pace is not None:
                due_s = pace.due_s(_date_ms(outcome))
            yield _Line(value, due_s, outcome, "")

    def _chunk(self, lines: list[_Line]) -> Chunk:
        index_of: dict[Template, int] = {}
        indexes: list[int] = []
        dates_ms: list[int] = []
        rejected: dict[int, str] = {}
        for position, line in enumerate(lines):
            if line.visit is None:
                rejected[position] = line.reason
                indexes.append(-1)
                dates_ms.append(dates_ms[-1] if dates_ms else 0)
            else:
                template = Template(line.visit.country, line.visit.last_action, line.visit.duration_s)
                indexes.append(index_of.setdefault(template, len(index_of)))
                dates_ms.append(_date_ms(line.visit))
        templates = Templates(list(index_of), self._shape)
        indexes = [templates.rejected_index if index < 0 else index for index in indexes]
        values: list[bytes | None] = [line.value for line in lines]
        return Chunk(self._taken, templates, values, self._keys_of(lines), indexes, dates_ms, rejected)

    def _keys_of(self, lines: list[_Line]) -> list[bytes | None] | None:
        if self._key == "none":
            return None
        visits = [line.visit for line in lines]
        if self._key == "country":
            return [visit and visit.country.encode() for visit in visits]
        return [visit and visit.last_action.encode() for visit in visits]


def _date_ms(visit: Visit) -> int:
    return visit.second * 1000 + visit.microsecond // 1000
