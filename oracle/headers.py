"""A record's headers as the recount reads them: none at all where a name is not UTF-8."""

from contextlib import suppress
from operator import methodcaller
from typing import Any, cast

from confluent_kafka import Message

Headers = list[tuple[str, bytes | None]]

_read = methodcaller("headers")
_BROKEN: list[Any] = []


def headers_of(message: Message) -> Headers | None:
    """Return the headers in their order; None where the client cannot read them.

    The client raises its error once. What it returns from then on must not be touched, and is replaced.
    """
    found: Headers | None = _BROKEN
    with suppress(SystemError, UnicodeDecodeError):
        found = cast(Headers | None, _read(message))
    if found is _BROKEN:
        message.set_headers(_BROKEN)
        return None
    return found or []
