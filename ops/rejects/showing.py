"""One rejected visit as text; whatever its bytes are, a terminal shows them and interprets none."""

from collections.abc import Iterator
from datetime import UTC, datetime

from clients.kafka import printable
from ops.rejects.record import Rejected


def lines_of(rejected: Rejected, *, most_bytes: int) -> Iterator[str]:
    """Yield a heading, then reason, key, headers and value, each truncated to `most_bytes`."""
    at = datetime.fromtimestamp(rejected.timestamp_ms / 1000, UTC)
    again = f"  sent back {rejected.attempts} times before" if rejected.attempts else ""
    reason = printable(rejected.reason.encode()) or "no reason"
    yield f"partition {rejected.partition} offset {rejected.offset}  {at:%Y-%m-%d %H:%M:%S} UTC  {reason}{again}"
    if rejected.origin:
        yield f"  visit    {_truncated(str(rejected.origin).encode(), most_bytes)}"
    if rejected.explanation:
        yield f"  because  {_truncated(rejected.explanation.encode(), most_bytes)}"
    if (key := rejected.message.key()) is not None:
        yield f"  key      {_truncated(key, most_bytes)}"
    for name, value in rejected.original_headers():
        yield f"  header   {_truncated(name.encode(), most_bytes)}: {_truncated(value, most_bytes)}"
    if rejected.headers_unreadable:
        yield "  headers  none: those of the visit could not be read"
    yield f"  value    {_truncated(rejected.message.value(), most_bytes)}"


def _truncated(content: bytes | None, most_bytes: int) -> str:
    if content is None or len(content) <= most_bytes:
        return printable(content)
    # A split character would have the whole shown as bytes: leave it out.
    head = content[:most_bytes].decode(errors="ignore").encode()
    head = head if content.startswith(head) and len(head) > most_bytes - 4 else content[:most_bytes]
    return f"{printable(head)}… ({len(content)} bytes)"
