"""From bytes to visits: the wire format, and what is rejected and why."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from confluent_kafka import Message
from msgspec import Meta

from clients.kafka import offset_of
from operators.batches import RawBatch

DECODE_VERSION = 1
"""Raised whenever a rule of this file changes what a message is: a database keeps the one it began with."""

_Name = Annotated[str, Meta(min_length=1, max_length=64)]
_Seconds = Annotated[int, Meta(ge=0, le=2_147_483_647)]


class Visit(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One visit of a page of the shop, as JSON: visitDate, country, lastAction, duration."""

    visit_date: Annotated[datetime, Meta(tz=True)]
    country: _Name
    last_action: _Name
    duration: _Seconds


class _ZonelessVisit(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    visit_date: Annotated[datetime, Meta(tz=False)]
    country: _Name
    last_action: _Name
    duration: _Seconds


_decode_visit: Callable[[Any], Visit] = msgspec.json.Decoder(Visit).decode  # Any: a null value raises TypeError
_decode_zoneless = msgspec.json.Decoder(_ZonelessVisit).decode
_decode_anything = msgspec.json.Decoder().decode

# Whatever the bytes are, these are all that msgspec raises for them (TypeError: for a null value).
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError)

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(2100, 1, 1, tzinfo=UTC)
_CONTROL_CHARACTERS = frozenset(map(chr, [*range(0x20), 0x7F]))
_LONG_BYTES = 512
_MOST_BRACKETS = 256


class Reject(NamedTuple):
    """A message that is no visit, and why: malformed, invalid or no_timezone."""

    message: Message
    reason: str
    exception: str
    explanation: str


class VisitBatch(NamedTuple):
    """One cut of a partition, decoded: offsets and visits are parallel."""

    partition: int
    begin: int
    end: int
    offsets: Sequence[int]
    visits: Sequence[Visit]
    rejects: Sequence[Reject]


def decode_value(value: bytes | None, naive_timezone: ZoneInfo | None = None) -> Visit | tuple[str, str, str]:
    """Return the visit in a message's value, or why it is none: (reason, exception, explanation).

    It is the whole rule; `batch_decoder` only takes a shorter way to the same answer for ordinary visits.
    """
    if value is None:
        return "malformed", "msgspec.DecodeError", "the value is null"
    if _is_bracket_bomb(value):
        said = f"more than {_MOST_BRACKETS} opening brackets in {len(value)} bytes"
        return "malformed", "msgspec.DecodeError", said
    try:
        visit = _decode_visit(value)
    except _UNREADABLE as error:
        return _zoneless_or_why_not(value, naive_timezone, error)
    return _checked(visit)


def batch_decoder(naive_timezone: ZoneInfo | None = None) -> Callable[[RawBatch], VisitBatch]:
    """Return the function that decodes each message of a batch alone; no bytes make it raise."""

    def decode(batch: RawBatch) -> VisitBatch:
        visits: list[Visit] = []
        rejects: list[Reject] = []
        for message in batch.messages:
            value = message.value()
            try:
                visit = _decode_visit(value)
                ordinary = (
                    _FIRST <= visit.visit_date < _END
                    and visit.country.isprintable()
                    and visit.last_action.isprintable()
                    and len(message) <= _LONG_BYTES
                )
            except _UNREADABLE:
                ordinary = False
            if not ordinary:
                outcome = decode_value(value, naive_timezone)
                if not isinstance(outcome, Visit):
                    rejects.append(Reject(message, *outcome))
                    continue
                visit = outcome
            visits.append(visit)
        offsets = _offsets(batch, rejects)
        return VisitBatch(batch.partition, batch.begin, batch.end, offsets, visits, rejects)

    return decode


def _offsets(batch: RawBatch, rejects: list[Reject]) -> Sequence[int]:
    if batch.contiguous and not rejects:
        return range(batch.begin, batch.end)
    rejected = {offset_of(reject.message) for reject in rejects}
    return [offset for message in batch.messages if (offset := offset_of(message)) not in rejected]


def _is_bracket_bomb(value: bytes) -> bool:
    return len(value) > _LONG_BYTES and value.count(b"[") + value.count(b"{") > _MOST_BRACKETS


def _zoneless_or_why_not(
    value: bytes, naive_timezone: ZoneInfo | None, error: Exception
) -> Visit | tuple[str, str, str]:
    try:
        found = _decode_zoneless(value)
    except _UNREADABLE:
        return _why_not(value, error)
    naive = found.visit_date
    placed = naive.replace(tzinfo=naive_timezone or UTC)
    checked = _checked(Visit(placed, found.country, found.last_action, found.duration))
    if isinstance(checked, tuple):
        return checked
    if naive_timezone is None:
        said = f"visitDate {naive.isoformat()} has no offset, and NAIVE_TIMEZONE names no zone"
        return "no_timezone", "msgspec.ValidationError", said
    # Dates of one zone compare by their clocks, which go back and forth: past here all are of fixed offsets.
    return msgspec.structs.replace(checked, visit_date=placed.astimezone(UTC))


def _why_not(value: bytes, error: Exception) -> tuple[str, str, str]:
    try:
        _decode_anything(value)
    except _UNREADABLE as not_json:
        return "malformed", _name_of(not_json), str(not_json)
    return "invalid", _name_of(error), str(error)


def _checked(visit: Visit) -> Visit | tuple[str, str, str]:
    for name, text in (("country", visit.country), ("lastAction", visit.last_action)):
        if not text.isprintable() and not _CONTROL_CHARACTERS.isdisjoint(text):
            return "invalid", "msgspec.ValidationError", f"a control character in {name}: {text!a}"
    if not _FIRST <= visit.visit_date < _END:
        said = f"visitDate {visit.visit_date.isoformat()} is not between 1970 and 2099 in UTC"
        return "invalid", "msgspec.ValidationError", said
    return visit


def _name_of(error: Exception) -> str:
    module = type(error).__module__
    return type(error).__qualname__ if module == "builtins" else f"{module}.{type(error).__qualname__}"
