"""The visitors: messages drawn from a world by one seed, dated by a clock, some of them out of the ordinary."""

from zoneinfo import ZoneInfo

from simulate.chunk import MAX_MESSAGES, Chunk
from simulate.dates import DatesMs, in_zone, stamp, stamps
from simulate.deck import Deck, head
from simulate.draws import Draws, Late, Oddity, Odds, Repeat
from simulate.malformed import INVALID, NO_TIMEZONE, Kind
from simulate.schedule import Schedule


class Visitors:
    """Messages without end, or `until` of them, in chunks of any size; due by `pace`, or at once without one."""

    def __init__(  # noqa: PLR0913 - each is another question
        self,
        *,
        deck: Deck,
        seed: int,
        odds: Odds,
        dates_ms: DatesMs,
        pace: Schedule | None,
        until: int | None,
        key: str = "none",
        naive_timezone: ZoneInfo | None = None,
    ) -> None:
        self._deck, self._dates_ms, self._pace, self._until = deck, dates_ms, pace, until
        self._tails = deck.tails()
        self._keys = deck.keys(key)
        self._zone = naive_timezone
        self._draws = Draws(seed, odds)
        self._block = self._draws.block()
        self._taken = 0
        self._previous: Chunk | None = None

    @property
    def done(self) -> bool:
        """Whether all messages have been taken."""
        return self._taken == self._until

    def due(self, elapsed_s: float) -> int:
        """Return how many messages may be taken now."""
        number = self._pace.due(elapsed_s) - self._taken if self._pace else MAX_MESSAGES
        return number if self._until is None else min(number, self._until - self._taken)

    def behind_s(self, elapsed_s: float) -> float:
        """Return for how long the next message has been due, seconds."""
        return elapsed_s - self._pace.due_s(self._taken) if self._pace else 0.0

    def take(self, number: int) -> Chunk:
        """Return the next messages: one at least, `number` at most.

        :raises Fatal: the visits' time has come to the year 2100.
        """
        begin = self._taken % MAX_MESSAGES
        end = min(begin + number, MAX_MESSAGES)
        if self._until is not None:
            end = min(end, begin + self._until - self._taken)
        chunk = self._ordinary(begin, end)
        for position, oddity in self._block.oddities:
            if begin <= position < end:
                self._disturb(chunk, position - begin, oddity)
        self._taken += end - begin
        self._previous = chunk
        if end == MAX_MESSAGES:
            self._block = self._draws.block()
        return chunk

    def _ordinary(self, begin: int, end: int) -> Chunk:
        cards = self._block.cards[begin:end]
        dates_ms = self._dates_ms(self._taken, end - begin)
        if self._block.backs_ms:
            backs_ms = self._block.backs_ms[begin:end]
            dates_ms = [date - back for date, back in zip(dates_ms, backs_ms, strict=True)]
        tails = map(self._tails.__getitem__, cards)
        heads = {date_ms: head(text) for date_ms, text in stamps(dates_ms).items()}
        values: list[bytes | None]
        if len(heads) == 1:  # flat out a whole chunk has one date
            (beginning,) = heads.values()
            values = [beginning + tail for tail in tails]
        else:
            values = [heads[date_ms] + tail for date_ms, tail in zip(dates_ms, tails, strict=True)]
        keys: list[bytes | None] | None = [self._keys[card] for card in cards] if self._keys else None
        return Chunk(self._taken, self._deck, values, keys, cards, dates_ms)

    def _disturb(self, chunk: Chunk, position: int, oddity: Oddity) -> None:
        if isinstance(oddity, Kind):
            self._break(chunk, position, oddity)
        elif isinstance(oddity, Late):
            chunk.dates_ms[position] -= oddity.by_ms
            text = head(stamp(chunk.dates_ms[position]))
            chunk.values[position] = text + self._tails[chunk.cards[position]]
            chunk.late.append(position)
        elif isinstance(oddity, Repeat):
            source = chunk if position else self._previous
            if source is not None:
                chunk.repeat(position, source, (position or len(source.values)) - 1)

    def _break(self, chunk: Chunk, position: int, kind: Kind) -> None:
        date_ms, card = chunk.dates_ms[position], self._deck.cards[chunk.cards[position]]
        chunk.values[position] = kind.broken(stamp(date_ms).decode(), card)
        if kind.reason != NO_TIMEZONE or self._zone is None:
            chunk.reject(position, kind.reason)
        elif (moment_ms := in_zone(date_ms, self._zone)) is None:
            chunk.reject(position, INVALID)
        else:
            chunk.dates_ms[position] = moment_ms
