"""One partition of an output topic, compared with the log in step: both are in the order of the visits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

from confluent_kafka import Message

from oracle.log import Extent, Reader

_Source = TypeVar("_Source")

Report = Callable[[Iterable[str]], None]
Observer = Callable[[Message], None]


class Input(NamedTuple):
    """The partition that outputs name: whose it is, and which of its offsets can be checked."""

    pipeline_id: str
    topic_id: str
    partition: int
    begin: int  # the first visit that the log still has, of those to be counted
    next_offset: int


class OutputCheck(ABC, Generic[_Source]):
    """What an output topic contains in one partition, against what it must contain by the log.

    Only one record of it is in memory at a time. Records that name no visit of this pipeline and topic are
    counted in `foreign` and otherwise ignored.
    """

    def __init__(self, reader: Reader, extent: Extent, *, of: Input, report: Report, observer: Observer) -> None:
        """Begin to read the records of `extent` in the partition that has the input's number.

        `report` takes differences, `observer` each record that names a visit of this partition.
        """
        self.checked = self.foreign = 0
        self._unknown = self._gone = 0  # records whose visit, and visits whose record, retention has deleted
        self._where, self._of, self._report = f"{reader.topic}, partition {of.partition}", of, report
        self._ours = f"{of.pipeline_id}/{of.topic_id}/".encode()
        self._prefix = self._ours + f"{of.partition}/".encode()
        self._observer = observer
        self._shortened = extent.start > 0
        self._found: int | None = None  # the visit of the latest record that was expected and there
        self._records = reader.records(of.partition, extent)
        self._next = self._read()

    @property
    def pending(self) -> bool:
        """Whether there are records of later visits."""
        return self._next is not None

    def expect(self, offset: int, source: _Source) -> None:
        """Look for the record of the message at `offset`."""
        if self._next and self._next[0] < offset:
            self._drop_before(offset)
        if self._next is None or self._next[0] > offset:
            self._missing(offset)
            return
        if difference := self.difference(self._next[1], source):
            self._report_one(f"{self._name(offset)}: {difference}")
        self.checked += 1
        self._found = offset
        self._next = self._read()

    def finish(self) -> None:
        """Report the records that are left: the log has no message that they belong to."""
        self._drop_before(None)

    def shortage(self) -> str | None:
        """Return a sentence on what could not be checked, if anything."""
        if not self._gone and not self._unknown:
            return None
        gone = f"{self._gone} records of the earliest visits are gone"
        return f"{self._where}: {gone}, {self._unknown} are of visits that the log no longer has"

    def _report_one(self, difference: str) -> None:
        self._report([difference])

    def _missing(self, offset: int) -> None:
        if offset >= self._of.next_offset and self._next is None:
            return  # not committed yet
        if self._shortened and self._found is None:
            self._gone += 1
        else:
            self._report_one(f"{self._name(offset)}: missing, or out of order")

    def _drop_before(self, offset: int | None) -> None:
        while self._next and (offset is None or self._next[0] < offset):
            named = self._next[0]
            if named < self._of.begin:
                self._unknown += 1
            elif named == self._found:
                self._report_one(f"{self._name(named)}: present more than once, again at offset {self._offset()}")
            else:
                self._report_one(f"{self._name(named)}: unexpected, or out of order, at offset {self._offset()}")
            self._next = self._read()

    def _read(self) -> tuple[int, Message] | None:
        for at, record in self._records:
            origin = self.origin_of(record)
            if origin is None or not origin.startswith(self._ours):
                self.foreign += 1
                continue
            offset = origin[len(self._prefix) :]
            if origin.startswith(self._prefix) and offset.isdigit() and (offset[:1] != b"0" or offset == b"0"):
                self._observer(record)
                return int(offset), record
            shown = origin.decode(errors="backslashreplace")
            self._report_one(f"{self._where} offset {at}: {shown} is not a visit of this partition")
        return None

    def _offset(self) -> int | None:
        return self._next[1].offset() if self._next else None

    def _name(self, offset: int) -> str:
        return f"{self._where}: visit at offset {offset}"

    @staticmethod
    @abstractmethod
    def origin_of(record: Message) -> bytes | None:
        """Return the bytes that name the visit a record came from."""

    @abstractmethod
    def difference(self, record: Message, source: _Source) -> str | None:
        """Return what is wrong with a record, if anything."""


def difference_of(found: bytes | None, expected: bytes | None) -> str | None:
    """Return how an output's bytes and the recount's differ; None where they do not."""
    return None if found == expected else f"the output has {shown(found)}, the recount {shown(expected)}"


def shown(content: bytes | None) -> str:
    """Return the head of some bytes, printable."""
    return "null" if content is None else ascii(content[:200])[1:] + ("…" if len(content) > 200 else "")
