"""What a message is, read a second time: a visit with its values, or the reason why it is not one.

The usual shape is read by one regular expression and everything else by a slow and strict parser; both give the same.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from oracle.json_scan import Document, Value, scan
from oracle.rules import DEFAULTS, Rules, Tree

MALFORMED, INVALID, NO_TIMEZONE, FUTURE = "malformed", "invalid", "no_timezone", "future"

MAX_NAME_CHARACTERS = 64
DEEP_BYTES, DEEP_BRACKETS = 512, 256
END_S = 4_102_444_800  # 2100-01-01T00:00:00Z

_PARTS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))
_FOUR = ("visit_date", "country", "last_action", "duration")
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
    others: tuple[tuple[str, str], ...] = ()
    """Names and values of the fields that a shop has added."""

    def value(self, field: str) -> str:
        """Return the value of a text field."""
        if field == "country":
            return self.country
        return self.last_action if field == "last_action" else dict(self.others)[field]


class Classifier:
    """Says of each message by the same rules what it is."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules = rules or Rules()
        self._tree, self._constants = rules.tree(), rules.constants()
        self._others = [field for field in rules.places() if field not in _FOUR]
        self._usual = rules.usual and not self._others

    def __call__(self, message: bytes | None) -> Visit | str:
        """Return the visit that a message is, or the reason of its rejection, but for FUTURE."""
        message = message or b""
        usual = _USUAL(message) if self._usual else None
        if usual is None:
            return self._parse_strictly(message)
        date, fraction, country, last_action, duration = usual.groups()
        second, country_name, action_name = _second_of(date), _name_of(country), _name_of(last_action)
        if second is None or country_name is None or action_name is None:
            return self._parse_strictly(message)
        microsecond = int(fraction.ljust(6, b"0")) if fraction else 0
        return Visit(second, microsecond, country_name, action_name, int(duration))

    def of_record(self, record: Message) -> Visit | str:
        """Return what a message is; FUTURE if its visit is dated too far after Kafka's timestamp."""
        found = self(record.value())
        if isinstance(found, str) or self._rules.max_future_s is None:
            return found
        kind, timestamp_ms = record.timestamp()
        latest_us = (timestamp_ms + self._rules.max_future_s * 1000) * 1000
        late = kind != TIMESTAMP_NOT_AVAILABLE and found.second * 1_000_000 + found.microsecond > latest_us
        return FUTURE if late else found

    def _parse_strictly(self, message: bytes) -> Visit | str:
        if len(message) > DEEP_BYTES and message.count(b"[") + message.count(b"{") > DEEP_BRACKETS:
            return MALFORMED
        document = scan(message)
        fields = self._fields(document) if document else None
        # The content of an ignored field does not matter in a valid visit, but it does in any other message.
        if document is None or (not document.strict and fields is None):
            return MALFORMED
        return INVALID if fields is None else self._visit(fields)

    def _fields(self, document: Document) -> dict[str, Any] | None:
        found = self._found(document, self._tree)
        return None if found is None else DEFAULTS | self._constants | found

    def _found(self, document: Document | None, tree: Tree) -> dict[str, Any] | None:
        """Check every member that is one of the fields, as often as it comes; the last one counts."""
        if document is None or document.members is None:
            return None
        found: dict[str, Any] = {}
        seen = set()
        for key, value in document.members:
            below = tree.get(key)
            if below is None:
                continue
            nested = isinstance(below, dict)
            checked = self._found(_object(value), below) if nested else {below: self._checked(below, value)}
            if checked is None or None in checked.values() or _one_naive(checked, found):
                return None
            found |= checked
            seen.add(key)
        missing = [below for key, below in tree.items() if key not in seen]
        return None if any(isinstance(below, dict) or below not in DEFAULTS for below in missing) else found

    def _checked(self, field: str, value: Value) -> Any:
        if field == "visit_date":
            return _date(value) if self._rules.date_format == "rfc3339" else _epoch(value, self._rules.date_format)
        return self._duration(value) if field == "duration" else _name(value)

    def _duration(self, value: Value) -> int | None:
        if value.kind != "number" or not re.fullmatch(rb"-?\d{1,13}", value.content):
            return None
        duration, in_ms = int(value.content), self._rules.duration_unit == "ms"
        if not 0 <= duration <= self._rules.max_duration_s * (1000 if in_ms else 1):
            return None
        return (duration + 500) // 1000 if in_ms else duration

    def _visit(self, fields: dict[str, Any]) -> Visit | str:
        others = tuple((field, fields[field]) for field in self._others)
        names = [fields["country"], fields["last_action"], *(text for _, text in others)]
        if any(map(_FORBIDDEN.search, names)):
            return INVALID
        since_us, naive = self._microseconds(fields["visit_date"])
        second, microsecond = divmod(since_us, 1_000_000)
        if not 0 <= second < END_S:
            return INVALID
        if naive and self._rules.zone is None:
            return NO_TIMEZONE
        return Visit(second, microsecond, names[0], names[1], fields["duration"], others)

    def _microseconds(self, date: datetime | int) -> tuple[int, bool]:
        """Return the microseconds since 1970 UTC, and whether the date has no offset."""
        if isinstance(date, int):
            return date, False
        naive = date.tzinfo is None
        placed = date.replace(tzinfo=self._rules.zone or UTC) if naive else date
        return (placed - _EPOCH) // timedelta(microseconds=1), naive


def _object(value: Value) -> Document | None:
    return scan(value.content) if value.kind == "{" else None


def _one_naive(checked: dict[str, Any], found: dict[str, Any]) -> bool:
    date, other = checked.get("visit_date"), found.get("visit_date")
    if not isinstance(date, datetime) or not isinstance(other, datetime):
        return False
    return (date.tzinfo is None) != (other.tzinfo is None)


def _epoch(value: Value, date_format: str) -> int | None:
    digits = rb"[0-9]{1,20}" if value.kind == "string" else rb"-?[0-9]+"
    if value.kind not in {"string", "number"} or not re.fullmatch(digits, value.content):
        return None
    factor = {"epoch_s": 1_000_000, "epoch_ms": 1000, "epoch_us": 1}[date_format]
    return int(value.content) * factor


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
