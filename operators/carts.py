"""Abandoned carts: which visits they are, and their lines."""

from datetime import UTC, datetime

import msgspec

from operators.batches import OutputBatch, VisitBatch
from operators.visit import Visit

ABANDONED_CART = "SHOPPING_CART"


def is_abandoned_cart(visit: Visit) -> bool:
    """Return whether the visit ended with a full cart."""
    return visit.last_action == ABANDONED_CART


def cart_line(visit: Visit) -> str:
    """Return `visitDate,country,lastAction,duration`: UTC, truncated to milliseconds, RFC 4180 quoting, no line end."""
    fields = f"{_quoted(visit.country)},{_quoted(visit.last_action)}"
    return f"{_utc_milliseconds(visit.visit_date)},{fields},{visit.duration}"


def abandoned_carts(batch: VisitBatch) -> OutputBatch:
    """Return the outputs of a batch: its abandoned carts and its rejects."""
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
