"""Batches as the source sends them, for tests of a dataflow without Kafka: between Bytewax's TestingSource and
TestingSink.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, Message

from operators.batches import RawBatch
from partition.owner import partition_name

TOPIC = "website.visits"

Value = Mapping[str, Any] | str | bytes | None
"""A message's value: JSON's fields, a text as UTF-8, any bytes, or null."""


class Record(NamedTuple):
    """A message with more than its value; without an `offset` of its own it follows the one before it."""

    value: Value
    key: str | bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp_ms: int | None = None
    offset: int | None = None


def raw_batch(
    *records: Value | Record, partition: int = 0, begin: int = 0, end: int | None = None
) -> tuple[str, RawBatch]:
    """Return an item of the step `visits`: a partition's name and a batch of its messages, from offset `begin` on.

    Without `end` the batch ends behind its last message; offsets without messages are gaps.

    :raises ValueError: an offset is not between the one before it and `end`.
    """
    messages: list[Message] = []
    following = begin
    for given in records:
        record = given if isinstance(given, Record) else Record(given)
        offset = following if record.offset is None else record.offset
        if offset < following:
            raise ValueError(f"offset {offset} must be {following} or more: offsets rise within a batch")
        messages.append(message(record, partition=partition, offset=offset))
        following = offset + 1
    if end is not None and end < following:
        raise ValueError(f"end {end} must be {following} or more: a batch ends behind its last message")
    return partition_name(partition), RawBatch(partition, begin, following if end is None else end, messages)


def message(record: Record, *, partition: int, offset: int) -> Message:
    """Return the message that a consumer would return."""
    timestamp = (TIMESTAMP_NOT_AVAILABLE, -1)
    if record.timestamp_ms is not None:
        timestamp = (TIMESTAMP_CREATE_TIME, record.timestamp_ms)
    return Message(
        topic=TOPIC,
        partition=partition,
        offset=offset,
        key=_encoded(record.key),
        value=_encoded(record.value),
        headers=list(record.headers),
        timestamp=timestamp,
    )


def _encoded(value: Value) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    if value is None or isinstance(value, bytes):
        return value
    return msgspec.json.encode(value)
