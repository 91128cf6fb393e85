"""The headers of messages. Kafka lets their names be any bytes; the client reads UTF-8 alone."""

from collections.abc import Sequence
from operator import length_hint
from typing import Any, cast

from confluent_kafka import Message

Headers = list[tuple[str, bytes | None]]

_UNREADABLE: list[Any] = []
"""What a message has, this very list, once the client has failed to read its headers."""

_FAILURES = (SystemError, UnicodeDecodeError)


def headers_of(message: Message) -> Headers | None:
    """Return a message's headers in their order, names repeated where they are; None where they cannot be read."""
    readable_headers([message])
    headers = cast(Headers | None, message.headers())
    return None if headers is _UNREADABLE else headers or []


def readable_headers(messages: Sequence[Message]) -> list[Headers]:
    """Return the headers of each message that has any, as far as the client can read them.

    The client fails only the first time that it is called for a message: after that it returns a list with null
    pointers in it, which end the process when they are used. So that list is replaced at once. Nor may `headers`
    be called directly the first time: CPython's specialised calls do not look for the pending exception.
    """
    rest = iter(messages)
    found: list[Headers] = []
    while True:
        try:
            found.extend(cast("filter[Headers]", filter(None, map(Message.headers, rest))))
        except _FAILURES:
            failed = messages[len(messages) - length_hint(rest) - 1]
            failed.set_headers(_UNREADABLE)
        else:
            return found
