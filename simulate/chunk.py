"""What the visitors hand to the sender: some messages in their order, and what each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

from simulate.deck import Deck

MAX_MESSAGES = 4096

Positions = Sequence[int]
"""Some of a chunk's messages, rising: those of one partition."""

_Item = TypeVar("_Item")


@dataclass(slots=True)
class Chunk:
    """Messages in the order in which they are sent; `values`, `keys`, `cards` and `dates_ms` are parallel.

    `cards` are indexes into `deck`; `deck.blank` where the message is no visit, and `rejected` has the reason
    at its position. `dates_ms` are milliseconds since 1970 UTC. `first` is the number of messages before this
    chunk; `late` and `repeated` are the positions of those that are.
    """

    first: int
    deck: Deck
    values: list[bytes | None]
    keys: list[bytes | None] | None
    cards: list[int]
    dates_ms: list[int]
    rejected: dict[int, str] = field(default_factory=dict)
    late: list[int] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)

    def reject(self, position: int, reason: str) -> None:
        """Note that a message is no visit."""
        self.cards[position] = self.deck.blank
        self.rejected[position] = reason

    def repeat(self, position: int, source: "Chunk", original: int) -> None:
        """Send a message of `source` once more, in place of the one at `position`."""
        self.values[position] = source.values[original]
        self.cards[position] = source.cards[original]
        self.dates_ms[position] = source.dates_ms[original]
        if self.keys is not None and source.keys is not None:
            self.keys[position] = source.keys[original]
        if original in source.rejected:
            self.rejected[position] = source.rejected[original]
        self.repeated.append(position)

    def part(self, positions_by_partition: Sequence[Positions]) -> "Chunk":
        """Return a chunk of some of the messages."""
        if sum(map(len, positions_by_partition)) == len(self.values):
            return self
        positions = sorted(chain.from_iterable(positions_by_partition))
        new = {position: n for n, position in enumerate(positions)}
        return Chunk(
            first=self.first,
            deck=self.deck,
            values=[self.values[n] for n in positions],
            keys=None if self.keys is None else [self.keys[n] for n in positions],
            cards=[self.cards[n] for n in positions],
            dates_ms=[self.dates_ms[n] for n in positions],
            rejected={new[n]: reason for n, reason in self.rejected.items() if n in new},
            late=[new[n] for n in self.late if n in new],
            repeated=[new[n] for n in self.repeated if n in new],
        )


def at(items: list[_Item], positions: Positions) -> list[_Item]:
    """Return the items at the positions; a range, as partitions that take turns have it, is a quick slice."""
    if isinstance(positions, range):
        return items[positions.start : positions.stop : positions.step]
    return [items[position] for position in positions]
