"""Recorded messages in their form: NDJSON line by line, or CSV with a header."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from process.errors import ExitCode, Fatal
from process.signals import Stop
from simulate import csv_rows
from simulate.recording import STANDARD_INPUT, Recording
from simulate.shape import Shape

_DECODER = json.JSONDecoder()
_COMPRESSED = {".gz", ".zst"}


def messages_in(path: Path, stop: Stop | None, shape: Shape) -> Iterator[bytes]:
    """Yield the messages of a file, byte by byte, or the rows of CSV as JSON.

    The name decides which of the two it is; for standard input, its first line.

    :raises Fatal: the file cannot be read.
    """
    recording = Recording(path, stop)
    csv = csv_rows.is_csv(recording.head) if path == STANDARD_INPUT else _named_csv(path)
    yield from csv_rows.messages_of(path, recording, shape) if csv else _lines_in(recording)


def _named_csv(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in {".csv", ".tsv"}


def _lines_in(recording: Recording) -> Iterator[bytes]:
    _check_one_document_a_line(recording)
    texts = filter(None, (line.rstrip(b"\r\n") for line in recording))
    for number, text in enumerate(texts):
        if not number and not text.lstrip().startswith(b"{"):
            _warn_not_json(recording.path)
        yield text


def _check_one_document_a_line(recording: Recording) -> None:
    """Refuse one document over several lines, and one array of several objects."""
    text = recording.head.decode(errors="replace").lstrip()
    line = 1 + recording.head[: len(recording.head) - len(recording.head.lstrip())].count(b"\n")
    first = text.partition("\n")[0].rstrip()
    if text.startswith("["):
        element, rest = _document(text[1:].lstrip())
        if isinstance(element, dict) and (first == "[" or re.match(r"\s*,\s*\{", rest)):
            message = (
                f"--replay {recording.path}, line {line}: one JSON array of all visits: write one a line: jq -c '.[]'"
            )
            raise Fatal(message, ExitCode.CONFIG)
    document, rest = _document(text)
    if isinstance(document, dict | list) and "\n" in text[: len(text) - len(rest)]:
        message = f"--replay {recording.path}, line {line}: JSON over several lines: write one document a line: jq -c ."
        raise Fatal(message, ExitCode.CONFIG)


def _document(text: str) -> tuple[object, str]:
    """Return the JSON document that a text begins with, and what follows it; None where there is none."""
    try:
        document, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None, text
    return document, text[end:]


def _warn_not_json(path: Path) -> None:
    warning = "is not a JSON object and is sent unchanged; if the file is CSV, its name must end in .csv"
    print(f"simulate: the first line of --replay {path} {warning}", file=sys.stderr, flush=True)
