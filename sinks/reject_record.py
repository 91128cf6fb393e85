"""The record of a rejected visit: its own bytes, and headers with its origin and the reason."""

from enum import IntEnum
from typing import Any

from clients.headers import headers_of
from operators.visit import Reject
from partition.headers import (
    CONNECT_ERRORS,
    EXPLANATION_HEADER,
    NOT_UTF8,
    REASON_HEADER,
    TRUNCATED_HEADER,
    UNREADABLE_HEADER,
    VISIT_HEADER,
    is_own,
)
from partition.tail import Origin

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
    original = headers_of(message)
    headers = _connect_headers(topic, reject, origin)
    if original is None:
        headers.append((UNREADABLE_HEADER, NOT_UTF8))
    if level < Level.BARE:
        headers = [pair for pair in original or [] if not is_own(pair[0])] + headers
    else:
        key = None
    if level == Level.BARE or (level == Level.TRUNCATED and value is not None):
        headers.append((TRUNCATED_HEADER, str(len(value or b""))))
        value = value and value[:_TRUNCATED_BYTES]
    return {"value": value, "key": key, "headers": headers}


def _connect_headers(topic: str, reject: Reject, origin: Origin) -> list[tuple[str, Any]]:
    """Name them as Kafka Connect's dead letter queues do (KIP-298), so that its tools read them."""
    return [
        (VISIT_HEADER, str(origin)),
        (REASON_HEADER, reject.why.reason.value),
        (f"{CONNECT_ERRORS}topic", topic),
        (f"{CONNECT_ERRORS}partition", str(origin.partition)),
        (f"{CONNECT_ERRORS}offset", str(origin.offset)),
        (f"{CONNECT_ERRORS}stage", "VALUE_CONVERTER"),
        (f"{CONNECT_ERRORS}exception.class.name", reject.why.exception),
        (EXPLANATION_HEADER, reject.why.explanation),
    ]
