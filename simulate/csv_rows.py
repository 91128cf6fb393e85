"""Rows of CSV as messages: the separator is recognized, and a row that cannot be read as it is meant is an error."""

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from process.errors import ExitCode, Fatal
from simulate.shape import Shape

FIELDS = ("visitDate", "country", "lastAction", "duration")

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_WHOLE_NUMBER = re.compile(r"-?\d{1,20}")
_STATED = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
_AFTER_CR = re.compile(r"(?<=\r)(?!\n)")


def is_csv(head: bytes) -> bool:
    """Return whether a text begins as CSV does: with a header that has all fields, or a line such as `sep=;`."""
    first = head.lstrip(b"\r\n").partition(b"\n")[0].decode(errors="replace")
    return bool(_STATED.fullmatch(first)) or any(_has_all(first, separator) for separator in _SEPARATORS)


def messages_of(path: Path, lines: Iterable[bytes], shape: Shape) -> Iterator[bytes]:
    """Yield each row as a message in that shape; dates and durations as the row has them.

    :raises Fatal: the header lacks a field, or a line cannot be read.
    """
    table = _Table(path, _decoded(path, lines))
    at = table.columns()
    for row in table:
        visit = {name: row[column] if column < len(row) else None for name, column in at.items()}
        yield json.dumps(shape.document(visit | _number(visit["duration"])), ensure_ascii=False).encode()


class _Table:
    """Rows by the strict rules of RFC 4180: a quotation mark that is not closed never joins rows silently."""

    def __init__(self, path: Path, lines: Iterator[tuple[int, str]]) -> None:
        self._path, self._lines = path, lines
        self._line, first = next((line for line in lines if line[1].strip()), (1, ""))
        stated = _STATED.fullmatch(first)
        if stated:
            self._line, first = next(lines, (self._line + 1, ""))
        self._separator = stated[1] if stated else _separator_of(first)
        self._report(stated=stated is not None)
        self._lines = chain([(self._line, first)], lines)
        self._line -= 1  # the number of the last line read: the header is read again, now as a row
        self._reader = csv.reader(self._texts(), delimiter=self._separator, strict=True)
        self._header: Sequence[str] = next(self._rows(), (0, []))[1]

    def columns(self) -> dict[str, int]:
        """Return at which column each field is."""
        header, path = self._header, self._path
        found = ", ".join(map(repr, header)) or "nothing"
        if missing := ", ".join(name for name in FIELDS if name not in header):
            message = (
                f"--replay {path}: the header has no {missing}; it must contain {', '.join(FIELDS)}; found {found}"
            )
            raise Fatal(message, ExitCode.CONFIG)
        if twice := ", ".join(name for name in FIELDS if header.count(name) > 1):
            message = f"--replay {path}: the header has more than one {twice}: rename or remove the others"
            raise Fatal(message, ExitCode.CONFIG)
        return {name: header.index(name) for name in FIELDS}

    def __iter__(self) -> Iterator[list[str]]:
        for line, row in self._rows():
            self._check(row, line)
            yield row

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows, each with the number of its first line."""
        while True:
            line = self._line + 1
            try:
                row = next(self._reader, None)
            except csv.Error as error:
                raise Fatal(_quote_message(self._path, line, self._line, str(error)), ExitCode.CONFIG) from error
            if row is None:
                return
            if row:
                yield line, row

    def _check(self, row: list[str], line: int) -> None:
        """Check that no separator and no line feed is where the row cannot be meant to have one."""
        header, given = len(self._header), len(row)
        if any(row[header:]):
            message = (
                f"--replay {self._path}, line {line} has {given} fields, but the header has {header}: "
                f"quote the field that contains {self._separator!r}"
            )
            raise Fatal(message, ExitCode.CONFIG)
        for name, value in zip(self._header, row, strict=False):
            if name in FIELDS and "\n" in value:
                raise Fatal(_quote_message(self._path, line, self._line, f"{name} is {value[:60]!r}"), ExitCode.CONFIG)

    def _report(self, *, stated: bool) -> None:
        if stated or self._separator != ",":
            named = _SEPARATORS.get(self._separator, repr(self._separator))
            why = " (its line sep=)" if stated else ""
            print(f"simulate: --replay {self._path} is separated by {named}{why}", file=sys.stderr, flush=True)

    def _texts(self) -> Iterator[str]:
        for line, text in self._lines:
            self._line = line
            yield text


def _quote_message(path: Path, begin: int, end: int, problem: str) -> str:
    return (
        f"--replay {path}, line {begin}: a quotation mark is not closed as it should be by line {end}: {problem}: "
        'close each one, and double those inside a quoted field ("")'
    )


def _decoded(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Yield each line with its number; lines may end with CR, LF or both."""
    number = 0
    for line in lines:
        try:
            texts = _AFTER_CR.split(line.decode())
        except UnicodeDecodeError as error:
            message = (
                f"--replay {path}, line {number + 1} is not UTF-8 ({error.object[error.start : error.start + 8]!r}): "
                "convert the file, as with iconv -f WINDOWS-1252 -t UTF-8"
            )
            raise Fatal(message, ExitCode.CONFIG) from error
        for text in filter(None, texts):
            number += 1
            yield number, text


def _names(header: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=separator), [])
    except csv.Error:  # a line longer than any header
        return []


def _has_all(header: str, separator: str) -> bool:
    return set(FIELDS) <= set(_names(header, separator))


def _separator_of(header: str) -> str:
    """Return the separator with which the header has all fields; else the one that it contains most often."""
    by_count = sorted(_SEPARATORS, key=header.count, reverse=True)
    return next((separator for separator in by_count if _has_all(header, separator)), by_count[0])


def _number(duration: str | None) -> dict[str, int]:
    return {"duration": int(duration)} if duration and _WHOLE_NUMBER.fullmatch(duration) else {}
