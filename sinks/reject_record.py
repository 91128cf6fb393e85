"""The record of a rejected visit: its own bytes, and headers with its origin and the reason."""

from enum import IntEnum
from typing import Any

from confluent_kafka import Message

from clients.kafka import headers_of
from operators.visit import Reject
from partition.tail import VISIT_HEADER, Origin

_ERRORS = "__connect.errors."
_OWN_HEADERS = frozenset({VISIT_HEADER, "reason", "truncated"})
_TRUNCATED_BYTES = 64 * 1024


class Level(IntEnum):
    """How much of it is sent, and how; each level is used where the topic has refused the one before for its size."""

    WHOLE = 0  # in a batch with others
    ALONE = 1  # a batch may be too large though none of its messages is
    TRUNCATED = 2  # the head of its value
    BARE = 3  # without its key and its own headers too


def reject_record(reject: Reject, level: Level, topic: str, origin: Origin) -> dict[str, Any]:
    """Return value, key and headers of the record; `topic` is that of visits.

    A header `truncated` has the original length of the value; it is set wherever anything is left out.
    """
    message = reject.message
    value, key = message.value(), message.key()
    headers = _connect_headers(topic, reject, origin)
    if level < Level.BARE:
        headers = _foreign_headers(message) + headers
    else:
        key = None
    if level == Level.BARE or (level == Level.TRUNCATED and value is not None):
        headers.append(("truncated", str(len(value or b""))))
        value = value and value[:_TRUNCATED_BYTES]
    return {"value": value, "key": key, "headers": headers}


def _foreign_headers(message: Message) -> list[tuple[str, Any]]:
    return [
        (name, value)
        for name, value in headers_of(message)
        if name not in _OWN_HEADERS and not name.startswith(_ERRORS)
    ]


def _connect_headers(topic: str, reject: Reject, origin: Origin) -> list[tuple[str, Any]]:
    """Name them as Kafka Connect's dead letter queues do (KIP-298), so that its tools read them."""
    return [
        (VISIT_HEADER, str(origin)),
        ("reason", reject.why.reason.value),
        (f"{_ERRORS}topic", topic),
        (f"{_ERRORS}partition", str(origin.partition)),
        (f"{_ERRORS}offset", str(origin.offset)),
        (f"{_ERRORS}stage", "VALUE_CONVERTER"),
        (f"{_ERRORS}exception.class.name", reject.why.exception),
        (f"{_ERRORS}exception.message", reject.why.explanation),
    ]
