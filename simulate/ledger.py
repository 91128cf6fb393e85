"""What has been sent, kept as the truth about it: totals when it is sent, carts when they are acknowledged.

It shares no code with the pipeline: a visit's window, its cart line and a message's rejection come from the
generator's own data, and those of a failed delivery are subtracted as verify's decoder classifies the message.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence

from clients.kafka import Topic, printable
from operators.boards import boards_of, entry_of
from oracle.message import Visit
from oracle.truth import CartDigest, Total, Truth, Unresolved
from process.errors import ExitCode, Fatal
from settings import Settings
from simulate.chunk import Chunk, Positions, at
from simulate.dates import encode_date, encode_dates
from simulate.sender import Failure
from simulate.shape import Shape
from simulate.templates import Template, Templates

_FOLD_AFTER_VISITS = 500_000
_MARGIN_S = 60.0

_Row = tuple[int, str, str]
"""Window start in seconds since 1970 UTC, board, entry."""


class Ledger:
    """The truth in the making: takes every chunk, the number of messages in flight, and in the end the failures."""

    def __init__(self, settings: Settings, topic: Topic) -> None:
        self._settings, self._topic = settings, topic
        self._length_ms = settings.window_lengths_s[0] * 1000
        self._messages = [0] * topic.partitions
        self._rejected: Counter[str] = Counter()
        self._shape = Shape(settings)
        self._boards = boards_of(settings)
        self._templates = Templates([], self._shape)
        self._counts: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self._counted = 0
        self._totals: dict[_Row, list[int]] = {}
        self._pending: list[deque[tuple[int, list[bytes]]]] = [deque() for _ in range(topic.partitions)]
        self._digests = [CartDigest() for _ in range(topic.partitions)]

    def record(self, chunk: Chunk, queued: Sequence[Positions], sent: Chunk) -> None:
        """Record what was sent of a chunk: the positions in `queued`, by partition, which are the chunk `sent`."""
        self._refuse_future(chunk)
        if chunk.templates is not self._templates:
            self._fold()
            self._templates = chunk.templates
        self._count(sent)
        encoded_dates = encode_dates(chunk.dates_ms)
        for partition, positions in enumerate(queued):
            lines = _cart_lines(chunk, positions, encoded_dates)
            self._messages[partition] += len(positions)
            self._pending[partition].append((self._messages[partition], lines))

    def digest_acknowledged(self, in_flight: int) -> None:
        """Digest the cart lines that must have been acknowledged by now.

        A partition's messages are acknowledged in their order, so all but the last `in_flight` of them are.
        """
        for messages, pending, digest in zip(self._messages, self._pending, self._digests, strict=True):
            while pending and pending[0][0] <= messages - in_flight:
                digest.add(pending.popleft()[1])

    def truth(self, failures: Sequence[Failure]) -> Truth:
        """Subtract what failed and return the truth; everything else must have been acknowledged."""
        self._fold()
        failed_carts: list[Counter[bytes]] = [Counter() for _ in self._messages]
        for failure in failures:
            self._subtract(failure, failed_carts[failure.partition])
        for pending, failed, digest in zip(self._pending, failed_carts, self._digests, strict=True):
            _digest_rest(pending, failed, digest)
        visits = sum(self._messages) - self._rejected.total()
        zone = self._settings.naive_timezone
        return Truth(
            topic=self._topic.name,
            topic_id=self._topic.topic_id,
            window_lengths_s=self._settings.window_lengths_s,
            naive_timezone=zone.key if zone else None,
            boards=self._settings.boards,
            messages=dict(enumerate(self._messages)),
            visits=visits,
            rejected=dict(sorted((+self._rejected).items())),
            carts={partition: digest.carts() for partition, digest in enumerate(self._digests)},
            totals=_rolled_up(self._totals, self._settings.window_lengths_s),
            unresolved=[
                Unresolved(failure.partition, printable(failure.value), failure.error)
                for failure in failures
                if failure.unknown
            ],
        )

    def _refuse_future(self, chunk: Chunk) -> None:
        """Refuse visits that the dataflow may reject: their timestamps are the broker's, and not known here.

        :raises Fatal: CONFIG, a visit is dated MAX_FUTURE ahead, or almost.
        """
        most_s = self._settings.max_future
        if most_s is None or not chunk.dates_ms:
            return
        ahead_s = max(chunk.dates_ms) / 1000 - time.time()
        if ahead_s > most_s - _MARGIN_S:
            message = (
                f"a visit is dated {ahead_s:.0f} s ahead, and MAX_FUTURE is {most_s}s: --truth cannot know whether it "
                "will be rejected; choose an earlier --start, or MAX_FUTURE=off"
            )
            raise Fatal(message, ExitCode.CONFIG)

    def _count(self, chunk: Chunk) -> None:
        indexes, dates_ms = chunk.indexes, chunk.dates_ms
        if not indexes:
            return
        self._rejected.update(chunk.rejected.values())
        by_window: dict[int, list[int]]
        first, last = min(dates_ms) // self._length_ms, max(dates_ms) // self._length_ms
        if first == last:
            by_window = {first: indexes}
        else:
            by_window = defaultdict(list)
            for date_ms, index in zip(dates_ms, indexes, strict=True):
                by_window[date_ms // self._length_ms].append(index)
        for window, some in by_window.items():
            self._counts[window].update(some)
        self._counted += len(indexes)
        if self._counted > _FOLD_AFTER_VISITS:
            self._fold()

    def _fold(self) -> None:
        """Turn the counts of templates into totals."""
        for window, counts in self._counts.items():
            counts.pop(self._templates.rejected_index, None)
            for index, visits in counts.items():
                self._add(window, self._templates[index], visits)
        self._counts.clear()
        self._counted = 0

    def _add(self, window: int, template: Template, visits: int) -> None:
        start_s = window * self._length_ms // 1000
        for board in self._boards:
            values = [self._shape.value(template.country, template.last_action, field) for field in board.fields]
            amounts = self._totals.setdefault((start_s, board.name, entry_of(values)), [0, 0])
            amounts[0] += template.duration_s * visits
            amounts[1] += visits

    def _subtract(self, failure: Failure, failed_carts: Counter[bytes]) -> None:
        self._messages[failure.partition] -= 1
        outcome = self._shape.classify(failure.value)
        if not isinstance(outcome, Visit):
            self._rejected[outcome] -= 1
            return
        template = Template(outcome.country, outcome.last_action, outcome.duration_s)
        date_ms = outcome.second * 1000 + outcome.microsecond // 1000
        self._add(date_ms // self._length_ms, template, -1)
        one = Templates([template], self._shape)
        if suffix := one.cart_suffixes[0]:
            failed_carts[one.cart_prefix + encode_date(date_ms) + suffix] += 1


def _cart_lines(chunk: Chunk, positions: Positions, encoded_dates: dict[int, bytes]) -> list[bytes]:
    indexes = at(chunk.indexes, positions)
    prefix, suffixes = chunk.templates.cart_prefix, map(chunk.templates.cart_suffixes.__getitem__, indexes)
    if len(encoded_dates) == 1:  # flat out a whole chunk has one date
        (date,) = encoded_dates.values()
        return [prefix + date + suffix for suffix in suffixes if suffix]
    dates_ms = at(chunk.dates_ms, positions)
    return [
        prefix + encoded_dates[date_ms] + suffix for date_ms, suffix in zip(dates_ms, suffixes, strict=True) if suffix
    ]


def _digest_rest(pending: deque[tuple[int, list[bytes]]], failed: Counter[bytes], digest: CartDigest) -> None:
    """Digest the cart lines that were still in flight, without those that failed.

    Where some of several equal lines failed, it is unknown which: their number is right, their order is not.
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
