"""The sums of several batches as one, and as the JSON that MariaDB adds to its totals."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from operators.batches import Amount, SumBatch, Window
from operators.cells import parts_of
from operators.last_read import LastRead
from operators.windows import add_to

_MOST_ROWS = 20_000
_LONGEST_ROW_BYTES = 1024  # three texts of 64 characters of up to 4 bytes, or escaped; two numbers; its own window
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - DATETIME columns carry no zone; the project's are UTC


class MergedSums(NamedTuple):
    """What one transaction commits: the batches from offset `begin` to `end`; `latest` is UTC."""

    begin: int
    end: int
    visits: int
    rejected: int
    latest: datetime | None
    sums: dict[Window, dict[str, Amount]]
    last_read: LastRead | None


def merged(batches: Sequence[SumBatch]) -> MergedSums:
    """Add batches that follow one another into new dictionaries: a failure leaves none half merged."""
    sums: dict[Window, dict[str, Amount]] = {}
    for batch in batches:
        for window, entries in batch.sums.items():
            add_to(sums, window, entries)
    timestamps = (batch.max_timestamp for batch in batches if batch.max_timestamp is not None)
    latest = max(timestamps, default=None)
    return MergedSums(
        begin=batches[0].begin,
        end=batches[-1].end,
        visits=sum(batch.visits for batch in batches),
        rejected=sum(batch.rejected for batch in batches),
        latest=None if latest is None else _datetime_of(latest),
        sums=sums,
        last_read=next((batch.last_read for batch in reversed(batches) if batch.last_read), None),
    )


def rows_for(most_packet_bytes: int) -> int:
    """Return how many rows a document may have, so that its statement fits into one packet to the server."""
    return max(1, min(_MOST_ROWS, most_packet_bytes // _LONGEST_ROW_BYTES))


def documents_of(sums: dict[Window, dict[str, Amount]], most_rows: int) -> Iterator[str]:
    """Yield the rows as JSON, in key order: connections that lock in one order cannot deadlock.

    The shape is that of statement `add_totals`; a document has `most_rows` at most.
    """
    document: list[dict[str, Any]] = []
    room = most_rows
    for (length_s, start, board), entries in sorted(sums.items()):
        amounts = [(entry, *parts_of(amount)) for entry, amount in sorted(entries.items())]
        while amounts:
            part, amounts = amounts[:room], amounts[room:]
            document.append({"l": length_s, "w": str(_datetime_of(start)), "b": board, "e": part})
            room -= len(part)
            if not room:
                yield msgspec.json.encode(document).decode()
                document, room = [], most_rows
    if document:
        yield msgspec.json.encode(document).decode()


def _datetime_of(timestamp: float) -> datetime:
    return _EPOCH + timedelta(microseconds=round(timestamp * 1_000_000))
