"""The rejected messages: what their topic must contain, header by header."""

from typing import NamedTuple

from confluent_kafka import Message

from oracle.headers import Headers, headers_of
from oracle.outputs import OutputCheck, difference_of, shown

# Written out once more, though partition/headers.py has them: a name misspelt there must not pass here.
_VISIT, _REASON, _TRUNCATED, _UNREADABLE = "visit", "reason", "truncated", "headers_unreadable"
_OURS = frozenset({_VISIT, _REASON, _TRUNCATED, _UNREADABLE})
_NOT_UTF8 = b"a header's name is not UTF-8"
_CONNECT_ERRORS = "__connect.errors."


class Rejection(NamedTuple):
    """A message of the input topic that is not a visit, and why."""

    message: Message
    reason: str


class RejectCheck(OutputCheck[Rejection]):
    """The rejected messages, each with its reason: the header `visit` names the visit."""

    @staticmethod
    def origin_of(record: Message) -> bytes | None:
        return _last_headers(record).get(_VISIT)

    def difference(self, record: Message, source: Rejection) -> str | None:
        return _difference(record, source.message, source.reason)


def reason_of(record: Message) -> str:
    """Return why a message was rejected: its record's header `reason`."""
    return (_last_headers(record).get(_REASON) or b"").decode(errors="backslashreplace")


def _difference(record: Message, message: Message, reason: str) -> str | None:
    headers, key, value, foreign = _last_headers(record), message.key(), message.value(), _foreign_headers(message)
    found_key, found_value, found_foreign = record.key(), record.value(), _foreign_headers(record)
    if headers.get(_TRUNCATED) == str(len(value or b"")).encode():
        # The broker refused the whole: its value is truncated, and if that was not enough, key and headers are gone.
        value = value and value[: len(found_value or b"")]
        if found_key is None and not found_foreign:
            key, foreign = None, []
    return (
        difference_of(headers.get(_REASON), reason.encode())
        or _coordinates_difference(headers, message)
        or _unreadable_difference(headers, message)
        or difference_of(found_key, key)
        or difference_of(found_value, value)
        or _foreign_difference(found_foreign, foreign)
    )


def _coordinates_difference(found: dict[str, bytes | None], message: Message) -> str | None:
    coordinates = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
    for name, coordinate in coordinates.items():
        header = f"{_CONNECT_ERRORS}{name}"
        if difference := difference_of(found.get(header), str(coordinate).encode()):
            return f"{header}: {difference}"
    return None


def _unreadable_difference(found: dict[str, bytes | None], message: Message) -> str | None:
    difference = difference_of(found.get(_UNREADABLE), _NOT_UTF8 if headers_of(message) is None else None)
    return f"{_UNREADABLE}: {difference}" if difference else None


def _foreign_difference(found: Headers, expected: Headers) -> str | None:
    if found == expected:
        return None
    return f"the output has the headers {_listed(found)}, the recount {_listed(expected)}"


def _last_headers(message: Message) -> dict[str, bytes | None]:
    """Return the last header of each name: the dataflow writes its own behind those that the message came with."""
    return dict(headers_of(message) or [])


def _foreign_headers(message: Message) -> Headers:
    headers = headers_of(message) or []
    return [pair for pair in headers if pair[0] not in _OURS and not pair[0].startswith(_CONNECT_ERRORS)]


def _listed(headers: Headers) -> str:
    text = ", ".join(f"{name!a}: {shown(value)}" for name, value in headers[:5])
    return f"[{text}{', …' if len(headers) > 5 else ''}]"
