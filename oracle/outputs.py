"""One partition of an output topic, compared with the log in step: both are in the order of the visits."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import lru_cache
from time import gmtime, strftime
from typing import Any, Generic, NamedTuple, TypeVar

from confluent_kafka import Message

from clients.kafka import headers_of
from oracle.log import Extent, Reader
from oracle.message import Visit

_Source = TypeVar("_Source")

_ERRORS = "__connect.errors."
_OURS = frozenset({"visit", "reason", "truncated"})

Report = Callable[[Iterable[str]], None]
Notice = Callable[[Message], None]


class Input(NamedTuple):
    """The partition that outputs name: whose it is, and which of its offsets can be checked."""

    pipeline_id: str
    topic_id: str
    partition: int
    begin: int  # the first visit that the log still has, of those to be counted
    next_offset: int


class OutputCheck(ABC, Generic[_Source]):
    """What an output topic holds in one partition, against what the log says it must hold.

    Only one record of it is in memory at a time. Records that name no visit of this pipeline and topic are
    counted in `foreign` and otherwise ignored.
    """

    def __init__(self, reader: Reader, extent: Extent, of: Input, report: Report, notice: Notice) -> None:
        """Begin to read the records of `extent` in the partition that has the input's number.

        `report` takes differences, `notice` each record that names a visit of this partition.
        """
        self.checked = self.foreign = 0
        self._unknown = self._gone = 0  # records whose visit, and visits whose record, retention has taken
        self._where, self._of, self._report = f"{reader.topic}, partition {of.partition}", of, report
        self._ours = f"{of.pipeline_id}/{of.topic_id}/".encode()
        self._prefix = self._ours + f"{of.partition}/".encode()
        self._notice = notice
        self._shortened = extent.start > 0
        self._met: int | None = None
        self._records = reader.records(of.partition, extent)
        self._next = self._read()

    @property
    def pending(self) -> bool:
        """Whether there are records of visits further on."""
        return self._next is not None

    def expect(self, offset: int, source: _Source) -> None:
        """Look for the record of the message at `offset`."""
        if self._next and self._next[0] < offset:
            self._drop_before(offset)
        if self._next is None or self._next[0] > offset:
            self._missing(offset)
            return
        if difference := self.unlike(self._next[1], source):
            self._report_one(f"{self._name(offset)}: {difference}")
        self.checked += 1
        self._met = offset
        self._next = self._read()

    def finish(self) -> None:
        """Report what is left: it names nothing in the log that ought to be here."""
        self._drop_before(None)

    def shortage(self) -> str | None:
        """Say what could not be checked, if anything."""
        if not self._gone and not self._unknown:
            return None
        said = f"{self._gone} records of the earliest visits are gone"
        return f"{self._where}: {said}, {self._unknown} are of visits that the log no longer has"

    def _report_one(self, difference: str) -> None:
        self._report([difference])

    def _missing(self, offset: int) -> None:
        if offset >= self._of.next_offset and self._next is None:
            return  # not committed yet
        if self._shortened and self._met is None:
            self._gone += 1
        else:
            self._report_one(f"{self._name(offset)}: missing, or not in its order")

    def _drop_before(self, offset: int | None) -> None:
        while self._next and (offset is None or self._next[0] < offset):
            named = self._next[0]
            if named < self._of.begin:
                self._unknown += 1
            elif named == self._met:
                self._report_one(f"{self._name(named)}: there more than once, again at offset {self._next[1].offset()}")
            else:
                said = "ought not to be there, or not in its order"
                self._report_one(f"{self._name(named)}: {said}, at offset {self._next[1].offset()}")
            self._next = self._read()

    def _read(self) -> tuple[int, Message] | None:
        for at, record in self._records:
            origin = self.origin_of(record)
            if origin is None or not origin.startswith(self._ours):
                self.foreign += 1
                continue
            offset = origin[len(self._prefix) :]
            if origin.startswith(self._prefix) and offset.isdigit() and (offset[:1] != b"0" or offset == b"0"):
                self._notice(record)
                return int(offset), record
            shown = origin.decode(errors="backslashreplace")
            self._report_one(f"{self._where} offset {at}: {shown} is no visit of this partition")
        return None

    def _name(self, offset: int) -> str:
        return f"{self._where}: visit at offset {offset}"

    @staticmethod
    @abstractmethod
    def origin_of(record: Message) -> bytes | None:
        """Return the bytes that name the visit a record came from."""

    @staticmethod
    @abstractmethod
    def unlike(record: Message, source: _Source) -> str | None:
        """Say what is wrong with a record, if anything is."""


class CartCheck(OutputCheck[Visit]):
    """The abandoned carts: the key names the visit, the value is its line."""

    @staticmethod
    def origin_of(record: Message) -> bytes | None:
        key: bytes | None = record.key()
        return key

    @staticmethod
    def unlike(record: Message, source: Visit) -> str | None:
        return _unlike(record.value(), cart_line(source))


class RejectCheck(OutputCheck[tuple[Message, str]]):
    """The rejected messages, each with its reason: the header `visit` names the visit."""

    @staticmethod
    def origin_of(record: Message) -> bytes | None:
        return _headers(record).get("visit")

    @staticmethod
    def unlike(record: Message, source: tuple[Message, str]) -> str | None:
        return _unlike_reject(record, *source)


def cart_line(visit: Visit) -> bytes:
    """Return `visitDate,country,lastAction,duration`: UTC, milliseconds cut, fields quoted as RFC 4180 says."""
    date = f"{_second_text(visit.second)}.{visit.microsecond // 1000:03}Z"
    return f"{date},{_quoted(visit.country)},{_quoted(visit.last_action)},{visit.duration_s}".encode()


@lru_cache(maxsize=65_536)
def _second_text(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))


@lru_cache(maxsize=65_536)
def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if re.search('[,"\r\n]', field) else field


def reason_of(record: Message) -> str:
    """Return why a message was rejected, as its record says."""
    return str((_headers(record).get("reason") or b"").decode(errors="backslashreplace"))


def _headers(record: Message) -> dict[str, Any]:
    return dict(headers_of(record))


def _unlike(found: bytes | None, expected: bytes | None) -> str | None:
    return None if found == expected else f"the output has {_shown(found)}, the recount {_shown(expected)}"


def _unlike_reject(record: Message, message: Message, reason: str) -> str | None:
    headers, key, value, foreign = _headers(record), message.key(), message.value(), _foreign_headers(message)
    found_key, found_value, found_foreign = record.key(), record.value(), _foreign_headers(record)
    if "truncated" in headers and headers["truncated"] == str(len(value or b"")).encode():
        # The broker refused the whole: its value is cut, and if that was not enough, key and headers are gone.
        value = value and value[: len(found_value or b"")]
        if found_key is None and not found_foreign:
            key, foreign = None, []
    return (
        _unlike(headers.get("reason"), reason.encode())
        or _unlike_headers(headers, _coordinates(message))
        or _unlike(found_key, key)
        or _unlike(found_value, value)
        or _unlike_foreign(found_foreign, foreign)
    )


def _coordinates(message: Message) -> dict[str, bytes]:
    places = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
    return {f"{_ERRORS}{name}": str(place).encode() for name, place in places.items()}


def _unlike_headers(found: dict[str, Any], expected: dict[str, bytes]) -> str | None:
    unlike = ((name, _unlike(found.get(name), value)) for name, value in expected.items())
    return next((f"{name}: {said}" for name, said in unlike if said), None)


def _foreign_headers(message: Message) -> list[tuple[str, Any]]:
    return [pair for pair in headers_of(message) if pair[0] not in _OURS and not pair[0].startswith(_ERRORS)]


def _unlike_foreign(found: list[tuple[str, Any]], expected: list[tuple[str, Any]]) -> str | None:
    return (
        None if found == expected else f"the output has the headers {_listed(found)}, the recount {_listed(expected)}"
    )


def _listed(headers: list[tuple[str, Any]]) -> str:
    shown = ", ".join(f"{name!a}: {_shown(value)}" for name, value in headers[:5])
    return f"[{shown}{', …' if len(headers) > 5 else ''}]"


def _shown(content: bytes | None) -> str:
    return "null" if content is None else ascii(content[:200])[1:] + ("…" if len(content) > 200 else "")
