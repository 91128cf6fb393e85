"""Replay of recorded visits: a file of NDJSON, or of CSV with a header, at its recorded pace, faster, or flat out."""

import csv
import json
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from oracle.message import Visit, classify
from process.errors import ExitCode, Fatal
from simulate.chunk import MAX_MESSAGES, Chunk
from simulate.templates import Template, Templates

_FIELDS = ("visitDate", "country", "lastAction", "duration")
_WHOLE_NUMBER = re.compile(r"-?\d{1,20}")


class _Line(NamedTuple):
    value: bytes
    due_s: float
    visit: Visit | None
    reason: str


class Replay:
    """The file's messages, byte by byte; CSV rows as JSON. The file is read as it is sent, never whole.

    A visit is due when as much time has passed as lies between the first visit's date and its own, divided by
    `speed`; a visit that is dated before its predecessor, or an invalid message, is due at once. Without a speed
    all are due at once.

    :raises Fatal: the file cannot be read.
    """

    def __init__(
        self, path: Path, *, speed: Fraction | None, until: int | None, key: str, naive_timezone: ZoneInfo | None
    ) -> None:
        self._path, self._key = path, key
        self._lines = islice(self._dated(_messages_in(path), speed, naive_timezone), until)
        self._taken = self._next = 0
        self._read()

    @property
    def done(self) -> bool:
        """Whether all messages have been taken."""
        return not self._block

    def due(self, elapsed_s: float) -> int:
        """Return how many messages may be taken now."""
        return bisect_right(self._due_times_s, elapsed_s) - self._next

    def behind_s(self, elapsed_s: float) -> float:
        """Return for how long the next message has been due, seconds."""
        due_s = self._due_times_s[self._next]
        return elapsed_s - due_s if due_s else 0.0

    def take(self, number: int) -> Chunk:
        """Return the next messages: one at least, `number` at most.

        :raises Fatal: the file cannot be read any further.
        """
        lines = self._block[self._next : self._next + number]
        chunk = self._chunk(lines)
        self._taken += len(lines)
        self._next += len(lines)
        if self._next == len(self._block):
            self._next = 0
            self._read()
        return chunk

    def _read(self) -> None:
        try:
            self._block = list(islice(self._lines, MAX_MESSAGES))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            message = f"--replay {self._path} cannot be read: {error}"
            raise Fatal(message, ExitCode.CONFIG) from error
        self._due_times_s = [line.due_s for line in self._block]

    @staticmethod
    def _dated(messages: Iterable[bytes], speed: Fraction | None, zone: ZoneInfo | None) -> Iterator[_Line]:
        first_ms, due_s = None, 0.0
        for value in messages:
            outcome = classify(value, zone)
            if not isinstance(outcome, Visit):
                yield _Line(value, due_s, None, outcome)
                continue
            date_ms = _date_ms(outcome)
            first_ms = date_ms if first_ms is None else first_ms
            if speed is not None:
                due_s = max(due_s, float((date_ms - first_ms) / (1000 * speed)))
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
        templates = Templates(list(index_of))
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


def _messages_in(path: Path) -> Iterator[bytes]:
    return _rows_in(path) if path.suffix.lower() == ".csv" else _lines_in(path)


def _lines_in(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        texts = filter(None, (line.rstrip(b"\r\n") for line in file))
        for number, text in enumerate(texts):
            if not number and not text.lstrip().startswith(b"{"):
                _warn_not_json(path)
            yield text


def _warn_not_json(path: Path) -> None:
    warning = "is not a JSON object and is sent unchanged; if the file is CSV, its name must end in .csv"
    print(f"simulate: the first line of --replay {path} {warning}", file=sys.stderr, flush=True)


def _rows_in(path: Path) -> Iterator[bytes]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        header = rows.fieldnames or ()
        if missing := [name for name in _FIELDS if name not in header]:
            message = f"--replay {path}: the header has no {', '.join(missing)}; it must contain {', '.join(_FIELDS)}"
            raise Fatal(message, ExitCode.CONFIG)
        for row in rows:
            visit = {name: row[name] for name in _FIELDS}
            yield json.dumps(visit | _number(visit["duration"]), ensure_ascii=False).encode()


def _number(duration: str | None) -> dict[str, int]:
    return {"duration": int(duration)} if duration and _WHOLE_NUMBER.fullmatch(duration) else {}
