"""The outputs of a batch: which visits go on, and as which lines of text."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from types import MappingProxyType

import msgspec

from operators.batches import OutputBatch, VisitBatch
from operators.outputs import Output
from operators.visit import Visit, wire_names

_UTC_LENGTHS = frozenset({20, 27})

Lines = Callable[[Sequence[Visit]], list[str]]
"""Takes visits, and returns the line of each without a line end."""


def csv_lines(visits: Sequence[Visit]) -> list[str]:
    """Return `visitDate,country,lastAction,duration`: UTC, truncated to milliseconds, RFC 4180 quoting.

    Formatted together they take half of the time.
    """
    texts: list[str] = msgspec.to_builtins([visit.visit_date for visit in visits])  # a tenth of isoformat's time
    return [
        f"{_utc_milliseconds(text, visit)},{_quoted(visit.country)},{_quoted(visit.last_action)},{visit.duration}"
        for text, visit in zip(texts, visits, strict=True)
    ]


def json_lines(visits: Sequence[Visit]) -> list[str]:
    """Return a JSON object of each visit's fields under their usual names; dates as in `csv_lines`."""
    texts: list[str] = msgspec.to_builtins([visit.visit_date for visit in visits])
    names = wire_names().items()
    encode = msgspec.json.Encoder().encode
    lines = []
    for text, visit in zip(texts, visits, strict=True):
        values = {name: getattr(visit, field) for field, name in names}
        values["visitDate"] = _utc_milliseconds(text, visit)
        lines.append(encode(values).decode())
    return lines


FORMATS: Mapping[str, Lines] = MappingProxyType({"csv": csv_lines, "json": json_lines})


def output_lines(outputs: tuple[Output, ...]) -> Callable[[VisitBatch], OutputBatch]:
    """Return the function that picks the visits of each output, and writes their lines."""

    def pick(batch: VisitBatch) -> OutputBatch:
        lines = {output.name: _lines(output, batch) for output in outputs}
        return OutputBatch(batch.partition, batch.begin, batch.end, lines, batch.rejects)

    return pick


def _lines(output: Output, batch: VisitBatch) -> list[tuple[int, str]]:
    last_actions = output.last_actions
    pairs = zip(batch.offsets, batch.visits, strict=True)
    picked = [pair for pair in pairs if pair[1].last_action in last_actions]
    lines = FORMATS[output.line_format]([visit for _, visit in picked])
    return list(zip([offset for offset, _ in picked], lines, strict=True))


def _utc_milliseconds(text: str, visit: Visit) -> str:
    """Return the date of a visit; `text` is …:00Z or …:00.123456Z where it is in UTC, and longer elsewhere."""
    if len(text) not in _UTC_LENGTHS:
        text = msgspec.to_builtins(visit.visit_date.astimezone(UTC))
    return text[:23] + "Z" if len(text) == 27 else text[:19] + ".000Z"


def _quoted(text: str) -> str:
    if '"' in text or "," in text:
        return '"' + text.replace('"', '""') + '"'
    return text
