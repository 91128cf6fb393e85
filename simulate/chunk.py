"""What a message source hands to the sender: some messages in their order, and what each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

from simulate.templates import Templates

MAX_MESSAGES = 4096

Positions = Sequence[int]
"""Some of a chunk's messages, in rising order: those of one partition."""

_Item = TypeVar("_Item")


@dataclass(slots=True)
class Chunk:
    """Messages in the order in which they are sent; `values`, `keys`, `indexes` and `dates_ms` are parallel.

    `indexes` are those of `templates`: `rejected_index` where a message is not a valid visit, and `rejected` has
    the reason by position. `dates_ms` are milliseconds since 1970 UTC. `first` is the number of messages before
    this chunk; `late` and `duplicates` are the positions of those that are.
    """

    first: int
    templates: Templates
    values: list[bytes | None]
    keys: list[bytes | None] | None
    indexes: list[int]
    dates_ms: list[int]
    rejected: dict[int, str] = field(default_factory=dict)
    late: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)

    def reject(self, position: int, reason: str) -> None:
        """Mark a message as one that is not a valid visit."""
        self.indexes[position] = self.templates.rejected_index
        self.rejected[position] = reason

    def duplicate(self, position: int, source: "Chunk", original: int) -> None:
        """Replace the message at `position` by a copy of the one at `original` in `source`."""
        self.values[position] = source.values[original]
        self.indexes[position] = source.indexes[original]
        self.dates_ms[position] = source.dates_ms[original]
        if self.keys is not None and source.keys is not None:
            self.keys[position] = source.keys[original]
        if original in source.rejected:
            self.rejected[position] = source.rejected[original]
        self.duplicates.append(position)

    def subset(self, positions_by_partition: Sequence[Positions]) -> "Chunk":
        """Return a chunk of some of the messages."""
        if sum(map(len, positions_by_partition)) == len(self.values):
            return self
        positions = sorted(chain.from_iterable(positions_by_partition))
        new = {position: n for n, position in enumerate(positions)}
        return Chunk(
            first=self.first,
            templates=self.templates,
            values=[self.values[n] for n in positions],
            keys=None if self.keys is None else [self.keys[n] for n in positions],
            indexes=[self.indexes[n] for n in positions],
            dates_ms=[self.dates_ms[n] for n in positions],
            rejected={new[n]: reason for n, reason in self.rejected.items() if n in new},
            late=[new[n] for n in self.late if n in new],
            duplicates=[new[n] for n in self.duplicates if n in new],
        )


def at(items: list[_Item], positions: Positions) -> list[_Item]:
    """Return the items at the positions; a range, as round-robin partitions have it, is a quick slice."""
    if isinstance(positions, range):
        return items[positions.start : positions.stop : positions.step]
    return [items[position] for position in positions]
