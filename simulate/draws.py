"""What chance decides, in blocks: which card comes, what happens to it, and how far out of order it is."""

import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from simulate.chunk import MAX_MESSAGES
from simulate.malformed import KINDS, Kind
from simulate.world import CARDS


@dataclass(frozen=True, kw_only=True)
class Odds:
    """Shares of messages, 0 to 1 each and together, that are out of the ordinary, and by how many milliseconds.

    Late ones are dated up to `late_by_ms` earlier; all are dated up to `out_of_order_ms` earlier.
    """

    malformed_share: float = 0.0
    duplicate_share: float = 0.0
    late_share: float = 0.0
    late_by_ms: int = 0
    out_of_order_ms: int = 0


class Late(NamedTuple):
    """The visit is dated so much earlier."""

    by_ms: int


class Repeat(NamedTuple):
    """The message before comes again in this one's place."""


Oddity = Kind | Late | Repeat


class Block(NamedTuple):
    """The draws for MAX_MESSAGES messages: cards, what is odd at which position, and milliseconds back."""

    cards: list[int]
    oddities: Sequence[tuple[int, Oddity]]
    backs_ms: list[int]


class Draws:
    """Blocks without end. They are drawn whole, so that pace and pauses do not change what comes.

    Each question has a stream of random numbers of its own, so that one answer does not change another.
    """

    def __init__(self, seed: int, odds: Odds) -> None:
        self._odds = odds
        self._cards = Random(f"{seed}/cards")
        self._oddities = Random(f"{seed}/oddities")
        self._order = Random(f"{seed}/order")

    def block(self) -> Block:
        """Draw the next block."""
        cards = array("H", self._cards.randbytes(2 * MAX_MESSAGES))
        if sys.byteorder == "big":
            cards.byteswap()
        return Block([number % CARDS for number in cards], self._draw_oddities(), self._draw_backs())

    def _draw_oddities(self) -> list[tuple[int, Oddity]]:
        odds, draw = self._odds, self._oddities.random
        odd = odds.malformed_share + odds.duplicate_share + odds.late_share
        if not odd:
            return []
        shares = [draw() for _ in range(MAX_MESSAGES)]
        return [(position, self._oddity(share)) for position, share in enumerate(shares) if share < odd]

    def _oddity(self, share: float) -> Oddity:
        odds, draw = self._odds, self._oddities.random
        if share < odds.malformed_share:
            return KINDS[int(draw() * len(KINDS))]
        if share < odds.malformed_share + odds.duplicate_share:
            return Repeat()
        return Late(1 + int(draw() * odds.late_by_ms))

    def _draw_backs(self) -> list[int]:
        choices, draw = self._odds.out_of_order_ms + 1, self._order.random
        return [int(draw() * choices) for _ in range(MAX_MESSAGES)] if choices > 1 else []
