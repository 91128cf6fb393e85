"""What a message is, read a second time: a visit with its values, or the reason why it is not one.

`classify` reads the usual shape by one regular expression and everything else by a slow and strict parser;
both return the same.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from oracle.json_scan import Value, scan

MALFORMED, INVALID, NO_TIMEZONE = "malformed", "invalid", "no_timezone"

ABANDONED = "SHOPPING_CART"
MAX_DURATION_S = 2_147_483_647
MAX_NAME_CHARACTERS = 64
DEEP_BYTES, DEEP_BRACKETS = 512, 256
END_S = 4_102_444_800  # 2100-01-01T00:00:00Z

_PARTS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_USUAL = re.compile(
    rb'\{"visitDate": ?"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}+))?+Z",'
    rb' ?"country": ?"([^"\\\x00-\x1f\x7f]{1,64}+)", ?"lastAction": ?"([^"\\\x00-\x1f\x7f]{1,64}+)",'
    rb' ?"duration": ?(0|[1-9][0-9]{0,8}+)\}'
).fullmatch
_DATE = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(?P<fraction>\d++))?+"
    rb"(?P<zone>[Zz]|(?P<sign>[+-])(?P<hours>[01]\d|2[0-3]):?(?P<minutes>[0-5]\d))?+"
).fullmatch
_FORBIDDEN = re.compile("[\x00-\x1f\x7f]")


class Visit(NamedTuple):
    """A visit's values; its moment is `second` and `microsecond` since 1970 UTC."""

    second: int
    microsecond: int
    country: str
    last_action: str
    duration_s: int


def classify(message: bytes | None, zone: ZoneInfo | None) -> Visit | str:
    """Return the visit that a message is, or the reason of its rejection.

    `zone` is the time zone of dates without an offset; None rejects them.
    """
    message = message or b""
    usual = _USUAL(message)
    if usual is None:
        return _parse_strictly(message, zone)
    date, fraction, country, last_action, duration = usual.groups()
    second, country_name, action_name = _second_of(date), _name_of(country), _name_of(last_action)
    if second is None or country_name is None or action_name is None:
        return _parse_strictly(message, zone)
    microsecond = int(fraction.ljust(6, b"0")) if fraction else 0
    return Visit(second, microsecond, country_name, action_name, int(duration))


@lru_cache(maxsize=65_536)
def _second_of(date: bytes) -> int | None:
    year, month, day, hour, minute, second = (int(date[at:to]) for at, to in _PARTS)
    try:
        moment = int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return None
    return moment if 0 <= moment < END_S else None


@lru_cache(maxsize=65_536)
def _name_of(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _parse_strictly(message: bytes, zone: ZoneInfo | None) -> Visit | str:
    if len(message) > DEEP_BYTES and message.count(b"[") + message.count(b"{") > DEEP_BRACKETS:
        return MALFORMED
    document = scan(message)
    fields = _fields(document.members or []) if document else None
    # The content of an ignored field does not matter in a valid visit, but it does in any other message.
    if document is None or (not document.strict and fields is None):
        return MALFORMED
    return INVALID if fields is None else _visit(fields, zone)


class _Fields(NamedTuple):
    date: datetime
    country: str
    last_action: str
    duration_s: int


def _fields(members: list[tuple[bytes, Value]]) -> _Fields | None:
    """Check every member that is one of the four, as often as it comes; the last one counts."""
    found: dict[bytes, Any] = {}
    for key, value in members:
        if key not in _CHECKS:
            continue
        checked = _CHECKS[key](value)
        if checked is None or (key == b"visitDate" and _only_one_naive(checked, found.get(key, checked))):
            return None
        found[key] = checked
    if len(found) < len(_CHECKS):
        return None
    return _Fields(
        date=found[b"visitDate"],
        country=found[b"country"],
        last_action=found[b"lastAction"],
        duration_s=found[b"duration"],
    )


def _only_one_naive(date: datetime, other: datetime) -> bool:
    return (date.tzinfo is None) != (other.tzinfo is None)


def _duration(value: Value) -> int | None:
    if value.kind != "number" or not re.fullmatch(rb"-?\d{1,10}", value.content):
        return None
    seconds = int(value.content)
    return seconds if 0 <= seconds <= MAX_DURATION_S else None


def _name(value: Value) -> str | None:
    name = _name_of(value.content) if value.kind == "string" else None
    return name if name and len(name) <= MAX_NAME_CHARACTERS else None


def _date(value: Value) -> datetime | None:
    match = _DATE(value.content) if value.kind == "string" else None
    if match is None:
        return None
    fraction = match["fraction"] or b""
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    microsecond = int(fraction[:6].ljust(6, b"0"))
    offset = timedelta(hours=int(match["hours"] or 0), minutes=int(match["minutes"] or 0))
    zone = None if match["zone"] is None else timezone(-offset if match["sign"] == b"-" else offset)
    try:
        date = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=zone)
        return date + timedelta(microseconds=fraction[6:7] >= b"5")
    except (ValueError, OverflowError):
        return None


_CHECKS: dict[bytes, Callable[[Value], Any]] = {
    b"visitDate": _date,
    b"country": _name,
    b"lastAction": _name,
    b"duration": _duration,
}


def _visit(fields: _Fields, zone: ZoneInfo | None) -> Visit | str:
    if _FORBIDDEN.search(fields.country) or _FORBIDDEN.search(fields.last_action):
        return INVALID
    date = fields.date
    naive = date.tzinfo is None
    if naive:
        date = date.replace(tzinfo=zone or UTC)
    second, rest = divmod(date - _EPOCH, timedelta(seconds=1))
    if not 0 <= second < END_S:
        return INVALID
    if naive and zone is None:
        return NO_TIMEZONE
    return Visit(second, rest.microseconds, fields.country, fields.last_action, fields.duration_s)
