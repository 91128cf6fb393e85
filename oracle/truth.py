"""The truth: what database and output topics must contain in the end, from the acknowledged visits alone.

A truth file is one JSON document. Several simulators at once write one each; their truths add up.
"""

import os
import tempfile
from collections.abc import Iterable, Sequence
from functools import reduce
from hashlib import sha256
from itertools import chain
from operator import mul
from pathlib import Path
from typing import NamedTuple, TypeVar
from zlib import crc32

import msgspec

from process.errors import ExitCode, Fatal

_SUM_RANGE = 2**64
_Key = TypeVar("_Key", int, str)
_Row = tuple[int, int, str, str]


class Total(NamedTuple):
    """A row that the database must contain; times in seconds (since 1970 UTC)."""

    length_s: int
    window_start_s: int
    board: str
    entry: str
    duration_s: int
    visits: int


class Carts(msgspec.Struct, frozen=True):
    """The abandoned carts of a partition: how many, and what their lines are.

    `in_order` is the SHA-256 of all lines in their order, each followed by a line feed; None where the order
    is not known. `in_any_order` are the sums of the lines' CRC-32 and of its squares, each modulo 2**64: they
    add up for several simulators, and cost a tenth of a longer digest of each line.
    """

    count: int
    in_any_order: tuple[int, int]
    in_order: str | None


class Unresolved(msgspec.Struct, frozen=True):
    """A message that may or may not be in the log: its delivery ended without a response. Nothing else counts it."""

    partition: int
    message: str
    error: str


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What must be there in the end; keys of `messages` and `carts` are partitions, of `rejected` reasons."""

    version: int = 1
    topic: str
    topic_id: str
    window_lengths_s: tuple[int, ...]
    naive_timezone: str | None
    boards: tuple[str, ...] = ("action", "country")
    messages: dict[int, int]
    visits: int
    rejected: dict[str, int]
    carts: dict[int, Carts]
    totals: list[Total]
    unresolved: list[Unresolved]


class CartDigest:
    """The digest of cart lines in their order, for both sides of the comparison."""

    def __init__(self) -> None:
        self._count = 0
        self._sums = (0, 0)
        self._order = sha256()
        self._order_known = True

    def add(self, lines: Sequence[bytes]) -> None:
        """Add the next lines; none ends with a line feed."""
        if not lines:
            return
        self._count += len(lines)
        checks = list(map(crc32, lines))
        self._sums = _sum_of(self._sums, (sum(checks), sum(map(mul, checks, checks))))
        self._order.update(b"\n".join(lines) + b"\n")

    def forget_order(self) -> None:
        """Keep the lines, but give up their order: it is not known."""
        self._order_known = False

    def carts(self) -> Carts:
        """Return the digest of the lines added so far."""
        in_order = self._order.hexdigest() if self._order_known else None
        return Carts(count=self._count, in_any_order=self._sums, in_order=in_order)


def add(truths: Sequence[Truth]) -> Truth:
    """Add the truths of several simulators that wrote to one topic.

    Where more than one has sent carts to a partition, their order is not known.

    :raises Fatal: they are of different topics, window lengths, time zones or boards.
    """
    first = truths[0]
    for truth in truths[1:]:
        for name in ("topic", "topic_id", "window_lengths_s", "naive_timezone", "boards"):
            if getattr(truth, name) != getattr(first, name):
                values = f"{getattr(first, name)!r} and {getattr(truth, name)!r}"
                raise Fatal(f"truth files of different {name} cannot be added: {values}", ExitCode.CONFIG)
    return Truth(
        topic=first.topic,
        topic_id=first.topic_id,
        window_lengths_s=first.window_lengths_s,
        naive_timezone=first.naive_timezone,
        boards=first.boards,
        messages=_added(truth.messages for truth in truths),
        visits=sum(truth.visits for truth in truths),
        rejected=_added(truth.rejected for truth in truths),
        carts=_added_carts([truth.carts for truth in truths]),
        totals=_added_totals([truth.totals for truth in truths]),
        unresolved=[message for truth in truths for message in truth.unresolved],
    )


def load(path: Path) -> Truth:
    """Read a truth file.

    :raises Fatal: it cannot be read, or is not a truth file.
    """
    try:
        truth = msgspec.json.decode(path.read_bytes(), type=Truth)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        message = f"{path} is not a truth file of python -m simulate --truth: {error}"
        raise Fatal(message, ExitCode.CONFIG) from error
    if truth.version != 1:
        message = f"{path} is a truth file of version {truth.version}, but this program reads version 1"
        raise Fatal(message, ExitCode.CONFIG)
    return truth


def write(truth: Truth, path: Path) -> None:
    """Write a truth file whole or not at all.

    :raises Fatal: it cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(msgspec.json.encode(truth) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise Fatal(f"--truth {path} cannot be written: {error}", ExitCode.CONFIG) from error


def check_writable(path: Path) -> None:
    """Refuse a truth file that could not be written in the end.

    :raises Fatal: its directory does not exist or is not writable, or it is a directory itself.
    """
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        message = f"--truth is {str(path)!r}, but must be a file in a directory that can be written to"
        raise Fatal(message, ExitCode.CONFIG)


def _added(counts: Iterable[dict[_Key, int]]) -> dict[_Key, int]:
    added: dict[_Key, int] = {}
    for count in counts:
        for key, number in count.items():
            added[key] = added.get(key, 0) + number
    return dict(sorted(added.items()))


def _added_totals(all_totals: Sequence[Sequence[Total]]) -> list[Total]:
    added: dict[_Row, Total] = {}
    for total in chain.from_iterable(all_totals):
        row = total.length_s, total.window_start_s, total.board, total.entry
        before = added.get(row)
        added[row] = total if before is None else _total_of(before, total)
    return sorted(added.values())


def _total_of(one: Total, other: Total) -> Total:
    return one._replace(duration_s=one.duration_s + other.duration_s, visits=one.visits + other.visits)


def _added_carts(all_carts: Sequence[dict[int, Carts]]) -> dict[int, Carts]:
    partitions = sorted({partition for carts in all_carts for partition in carts})
    return {
        partition: _merged(carts[partition] for carts in all_carts if partition in carts) for partition in partitions
    }


def _merged(parts: Iterable[Carts]) -> Carts:
    some = [part for part in parts if part.count]
    if not some:
        return CartDigest().carts()
    if len(some) == 1:
        return some[0]
    sums = reduce(_sum_of, (part.in_any_order for part in some))
    return Carts(count=sum(part.count for part in some), in_any_order=sums, in_order=None)


def _sum_of(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return (one[0] + other[0]) % _SUM_RANGE, (one[1] + other[1]) % _SUM_RANGE
