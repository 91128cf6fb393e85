"""What has been sent, kept as the truth about it: totals when it is sent, carts when they are acknowledged.

It shares no code with the pipeline: a visit's window, its cart line and a message's rejection come from what
the simulator meant to send, and those of a failed delivery are taken out by verify's reading of a message.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence

from clients.kafka import Topic
from oracle.message import Visit, classify
from oracle.truth import ACTION, COUNTRY, CartDigest, Total, Truth, Unresolved
from settings import Settings
from simulate.chunk import Chunk, Positions, at
from simulate.dates import stamp, stamps
from simulate.deck import Card, Deck
from simulate.sender import Failure
from simulate.text import shown

_FOLD_AFTER_VISITS = 500_000

_Row = tuple[int, str, str]
"""Window start in seconds since 1970 UTC, board, entry."""


class Ledger:
    """The truth in the making: told every chunk, how much is under way, and in the end what failed."""

    def __init__(self, settings: Settings, topic: Topic) -> None:
        self._settings, self._topic = settings, topic
        self._length_ms = settings.window_lengths_s[0] * 1000
        self._messages = [0] * topic.partitions
        self._rejected: Counter[str] = Counter()
        self._deck = Deck([])
        self._drawn: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self._drawn_visits = 0
        self._totals: dict[_Row, list[int]] = {}
        self._pending: list[deque[tuple[int, list[bytes]]]] = [deque() for _ in range(topic.partitions)]
        self._digests = [CartDigest() for _ in range(topic.partitions)]

    def sent(self, chunk: Chunk, queued: Sequence[Positions], part: Chunk) -> None:
        """Take in a chunk of which the positions in `queued`, by partition, are on their way: they are `part`."""
        if chunk.deck is not self._deck:
            self._fold()
            self._deck = chunk.deck
        self._count(part)
        written = stamps(chunk.dates_ms)
        for partition, positions in enumerate(queued):
            lines = _cart_lines(chunk, positions, written)
            self._messages[partition] += len(positions)
            self._pending[partition].append((self._messages[partition], lines))

    def settle(self, under_way: int) -> None:
        """Read the cart lines that must have been acknowledged by now.

        A partition's messages are acknowledged in their order, so all but the last `under_way` of them are.
        """
        for messages, pending, digest in zip(self._messages, self._pending, self._digests, strict=True):
            while pending and pending[0][0] <= messages - under_way:
                digest.add(pending.popleft()[1])

    def truth(self, failures: Sequence[Failure]) -> Truth:
        """Take out what failed and return the truth; everything else must have been acknowledged."""
        self._fold()
        failed_carts: list[Counter[bytes]] = [Counter() for _ in self._messages]
        for failure in failures:
            self._take_out(failure, failed_carts[failure.partition])
        for pending, failed, digest in zip(self._pending, failed_carts, self._digests, strict=True):
            _read_rest(pending, failed, digest)
        visits = sum(self._messages) - self._rejected.total()
        zone = self._settings.naive_timezone
        return Truth(
            topic=self._topic.name,
            topic_id=self._topic.topic_id,
            window_lengths_s=self._settings.window_lengths_s,
            naive_timezone=zone.key if zone else None,
            messages=dict(enumerate(self._messages)),
            visits=visits,
            rejected=dict(sorted((+self._rejected).items())),
            carts={partition: digest.carts() for partition, digest in enumerate(self._digests)},
            totals=_rolled_up(self._totals, self._settings.window_lengths_s),
            unresolved=[
                Unresolved(failure.partition, shown(failure.value), failure.error)
                for failure in failures
                if failure.unknown
            ],
        )

    def _count(self, chunk: Chunk) -> None:
        cards, dates_ms = chunk.cards, chunk.dates_ms
        if not cards:
            return
        self._rejected.update(chunk.rejected.values())
        by_window: dict[int, list[int]]
        first, last = min(dates_ms) // self._length_ms, max(dates_ms) // self._length_ms
        if first == last:
            by_window = {first: cards}
        else:
            by_window = defaultdict(list)
            for date_ms, card in zip(dates_ms, cards, strict=True):
                by_window[date_ms // self._length_ms].append(card)
        for window, some in by_window.items():
            self._drawn[window].update(some)
        self._drawn_visits += len(cards)
        if self._drawn_visits > _FOLD_AFTER_VISITS:
            self._fold()

    def _fold(self) -> None:
        """Turn the numbers of cards into totals."""
        for window, drawn in self._drawn.items():
            drawn.pop(self._deck.blank, None)
            for card, visits in drawn.items():
                self._add(window, self._deck.cards[card], visits)
        self._drawn.clear()
        self._drawn_visits = 0

    def _add(self, window: int, card: Card, visits: int) -> None:
        start_s = window * self._length_ms // 1000
        for row in ((start_s, ACTION, card.last_action), (start_s, COUNTRY, card.country)):
            amounts = self._totals.setdefault(row, [0, 0])
            amounts[0] += card.duration_s * visits
            amounts[1] += visits

    def _take_out(self, failure: Failure, failed_carts: Counter[bytes]) -> None:
        self._messages[failure.partition] -= 1
        what = classify(failure.value, self._settings.naive_timezone)
        if not isinstance(what, Visit):
            self._rejected[what] -= 1
            return
        card = Card(what.country, what.last_action, what.duration_s)
        date_ms = what.second * 1000 + what.microsecond // 1000
        self._add(date_ms // self._length_ms, card, -1)
        if tail := Deck([card]).cart_tails[0]:
            failed_carts[stamp(date_ms) + tail] += 1


def _cart_lines(chunk: Chunk, positions: Positions, written: dict[int, bytes]) -> list[bytes]:
    cards = at(chunk.cards, positions)
    tails = map(chunk.deck.cart_tails.__getitem__, cards)
    if len(written) == 1:  # flat out a whole chunk has one date
        (date,) = written.values()
        return [date + tail for tail in tails if tail]
    dates_ms = at(chunk.dates_ms, positions)
    return [written[date_ms] + tail for date_ms, tail in zip(dates_ms, tails, strict=True) if tail]


def _read_rest(pending: deque[tuple[int, list[bytes]]], failed: Counter[bytes], digest: CartDigest) -> None:
    """Read the cart lines that were still under way, without those that failed.

    Of several equal lines of which some failed nobody knows which: their number is right, their order is not.
    """
    lines = [line for _, some in pending for line in some]
    equal = Counter(line for line in lines if line in failed)
    if any(equal[line] > number for line, number in failed.items()):
        digest.forget_order()
    left = failed.copy()
    rest = []
    for line in lines:
        if left[line]:
            left[line] -= 1
        else:
            rest.append(line)
    digest.add(rest)
    pending.clear()


def _rolled_up(totals: dict[_Row, list[int]], lengths_s: Sequence[int]) -> list[Total]:
    rolled: dict[tuple[int, int, str, str], list[int]] = {}
    for (start_s, board, entry), (duration_s, visits) in totals.items():
        for length_s in lengths_s if visits else ():
            amounts = rolled.setdefault((length_s, start_s - start_s % length_s, board, entry), [0, 0])
            amounts[0] += duration_s
            amounts[1] += visits
    return [Total(*row, *amounts) for row, amounts in sorted(rolled.items())]
