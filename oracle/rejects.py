"""The rejected messages: what their topic must contain, header by header."""

from typing import NamedTuple, cast

from confluent_kafka import Message

from oracle.outputs import OutputCheck, difference_of, shown

# Written out once more, though partition/headers.py has them: a name misspelt there must not pass here.
_VISIT, _REASON, _TRUNCATED = "visit", "reason", "truncated"
_OURS = frozenset({_VISIT, _REASON, _TRUNCATED})
_CONNECT_ERRORS = "__connect.errors."

_Headers = list[tuple[str, bytes | None]]


class Rejection(NamedTuple):
    """A message of the input topic that is not a visit, and why."""

    message: Message
    reason: str


class RejectCheck(OutputCheck[Rejection]):
    """The rejected messages, each with its reason: the header `visit` names the visit."""

    @staticmethod
    def origin_of(record: Message) -> bytes | None:
        return _last_headers(record).get(_VISIT)

    @staticmethod
    def difference(record: Message, source: Rejection) -> str | None:
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


def _foreign_difference(found: _Headers, expected: _Headers) -> str | None:
    if found == expected:
        return None
    return f"the output has the headers {_listed(found)}, the recount {_listed(expected)}"


def _headers(message: Message) -> _Headers:
    return cast(_Headers, message.headers() or [])


def _last_headers(message: Message) -> dict[str, bytes | None]:
    """Return the last header of each name: the dataflow writes its own behind those that the message came with."""
    return dict(_headers(message))


def _foreign_headers(message: Message) -> _Headers:
    return [pair for pair in _headers(message) if pair[0] not in _OURS and not pair[0].startswith(_CONNECT_ERRORS)]


def _listed(headers: _Headers) -> str:
    text = ", ".join(f"{name!a}: {shown(value)}" for name, value in headers[:5])
    return f"[{text}{', …' if len(headers) > 5 else ''}]"
