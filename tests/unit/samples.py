"""Messages as a consumer returns them, for tests without a server."""

from confluent_kafka import Message

from operators.batches import RawBatch
from sources import testing


def message(offset: int, value: bytes | None, *, key: bytes | None = None, partition: int = 0) -> Message:
    """Return a consumed message."""
    return testing.message(testing.Record(value, key=key), partition=partition, offset=offset)


def visit_bytes(
    date: str = "2026-11-23T20:00:00.123Z", country: str = "USA", action: str = "FAQ", duration: str = "17"
) -> bytes:
    """Return a visit as the shop's pages send it; `duration` is JSON."""
    fields = f'"visitDate": "{date}", "country": "{country}", "lastAction": "{action}", "duration": {duration}'
    return f"{{{fields}}}".encode()


def raw_batch(*values: bytes | None, begin: int = 0, partition: int = 0) -> RawBatch:
    """Return a batch without gaps of these values."""
    _, batch = testing.raw_batch(*values, partition=partition, begin=begin)
    return batch
