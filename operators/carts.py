"""Abandoned carts: which visits they are, and the line that tells of one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from operators.decode import Reject, Visit, VisitBatch

ABANDONED_CART = "SHOPPING_CART"


class OutputBatch(NamedTuple):
    """What one cut of a partition sends out, in order of the offsets.

    `carts` are pairs of a visit's offset and its cart line.
    """

    partition: int
    begin: int
    end: int
    carts: Sequence[tuple[int, str]]
    rejects: Sequence[Reject]


def is_abandoned_cart(visit: Visit) -> bool:
    """Return whether the visitor left with a full cart."""
    return visit.last_action == ABANDONED_CART


def cart_line(visit: Visit) -> str:
    """Return `visitDate,country,lastAction,duration`: UTC, milliseconds cut, RFC 4180 quoting, no line end."""
    fields = f"{_quoted(visit.country)},{_quoted(visit.last_action)}"
    return f"{_utc_milliseconds(visit.visit_date)},{fields},{visit.duration}"


def abandoned_carts(batch: VisitBatch) -> OutputBatch:
    """Pick the abandoned carts of a batch; its rejects go out beside them."""
    visits = zip(batch.offsets, batch.visits, strict=True)
    carts = [(offset, cart_line(visit)) for offset, visit in visits if is_abandoned_cart(visit)]
    return OutputBatch(batch.partition, batch.begin, batch.end, carts, batch.rejects)


def _utc_milliseconds(date: datetime) -> str:
    if date.tzinfo is not UTC:
        date = date.astimezone(UTC)
    text: str = msgspec.to_builtins(date)  # …:00Z or …:00.123456Z, in a tenth of isoformat's time
    return text[:23] + "Z" if len(text) == 27 else text[:19] + ".000Z"


def _quoted(text: str) -> str:
    if '"' in text or "," in text:
        return '"' + text.replace('"', '""') + '"'
    return text
