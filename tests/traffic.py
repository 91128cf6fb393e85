"""Seeded visits whose outcome is known without the pipeline: what the database and the topics must hold."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from settings import Settings
from tests.support import query

START_S = 1_767_225_600  # 2026-01-01T00:00:00Z
COUNTRIES = ("USA", "USA ", "usa", "Peru", "Korea, North", 'the "Isles"', "Türkiye", "Côte d'Ivoire")
ACTIONS = ("CATALOG", "FAQ", "SHOPPING_CART", "ORDER")
INVALID_MESSAGES = (
    (None, "malformed"),
    (b"", "malformed"),
    (b"\xff\x00", "malformed"),
    (b'{"visitDate"', "malformed"),
    (b"[]", "invalid"),
    (b'{"visitDate":"2026-01-01T00:00:00Z","country":"USA","lastAction":"FAQ","duration":-1}', "invalid"),
    (b'{"visitDate":"2026-01-01T00:00:00","country":"USA","lastAction":"FAQ","duration":1}', "no_timezone"),
)

Row = tuple[int, datetime, str, str]


class Sent(NamedTuple):
    """One message, and what it is: a visit (its date in milliseconds since 1970), or why it is rejected.

    A hidden one takes an offset and is never read: a control record, or a part of an aborted transaction.
    """

    partition: int
    value: bytes | None
    date_ms: int = 0
    country: str = ""
    action: str = ""
    duration_s: int = 0
    reason: str | None = None
    hidden: bool = False

    @property
    def cart_line(self) -> str | None:
        """The cart line of its abandoned cart."""
        if self.hidden or self.reason or self.action != "SHOPPING_CART":
            return None
        quoted = '"' + self.country.replace('"', '""') + '"' if set(self.country) & set(',"') else self.country
        return f"{_iso(self.date_ms)},{quoted},{self.action},{self.duration_s}"


def traffic(messages: int, *, partitions: int = 4, seed: int = 1, bad_share: float = 0.01) -> list[Sent]:
    """Return messages of about 1000 visits a second of event time, some hours late, some of them invalid."""
    seeded = random.Random(seed)
    sent = []
    for at in range(messages):
        partition = seeded.randrange(partitions)
        if seeded.random() < bad_share:
            value, reason = seeded.choice(INVALID_MESSAGES)
            sent.append(Sent(partition, value, reason=reason))
            continue
        late_ms = seeded.randrange(86_400_000) if seeded.random() < 0.01 else 0
        date_ms = START_S * 1000 + at - late_ms
        country, action, duration_s = seeded.choice(COUNTRIES), seeded.choice(ACTIONS), seeded.randrange(600)
        name = country.replace('"', '\\"')
        text = (
            f'{{"visitDate": "{_iso(date_ms)}", "country": "{name}", "lastAction": "{action}", '
            f'"duration": {duration_s}}}'
        )
        sent.append(Sent(partition, text.encode(), date_ms, country, action, duration_s))
    return sent


class Truth:
    """The totals of a log, up to any offset of its partitions: it only moves forward, as the database does."""

    def __init__(self, sent: Iterable[Sent], lengths_s: Sequence[int] = (5, 60, 3600, 86_400)) -> None:
        self.log: dict[int, list[Sent]] = defaultdict(list)
        self.add(sent)
        self._lengths_s = lengths_s
        self._at: Counter[int] = Counter()
        self.totals: dict[Row, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, sent: Iterable[Sent]) -> None:
        """Let the log grow."""
        for message in sent:
            self.log[message.partition].append(message)

    def rows(self, next_offsets: dict[int, int]) -> dict[Row, tuple[int, int]]:
        """Return seconds and visits of each row when every partition is at its offset."""
        for partition, end in next_offsets.items():
            assert end >= self._at[partition], f"partition {partition} went back to {end}"
            for message in self.log[partition][self._at[partition] : end]:
                if message.reason is None and not message.hidden:
                    self._add(message)
            self._at[partition] = end
        return {row: (total[0], total[1]) for row, total in self.totals.items()}

    def counts(self, partition: int, end: int) -> tuple[int, int, int]:
        """Return messages, visits and rejected of a partition up to an offset."""
        part = [message for message in self.log[partition][:end] if not message.hidden]
        rejected = sum(1 for message in part if message.reason)
        return len(part), len(part) - rejected, rejected

    def messages(self) -> int:
        """Return how many messages there are to be read."""
        return sum(not message.hidden for log in self.log.values() for message in log)

    def carts(self) -> dict[int, list[tuple[int, str]]]:
        """Return offset and cart line of each cart, by partition, in order."""
        return {
            partition: [(at, message.cart_line) for at, message in enumerate(log) if message.cart_line]
            for partition, log in self.log.items()
        }

    def rejects(self) -> dict[int, list[tuple[int, bytes | None, str]]]:
        """Return offset, value and reason of each reject, by partition, in order."""
        return {
            partition: [
                (at, message.value, message.reason)
                for at, message in enumerate(log)
                if message.reason and not message.hidden
            ]
            for partition, log in self.log.items()
        }

    def _add(self, message: Sent) -> None:
        for length_s in self._lengths_s:
            start = datetime.fromtimestamp(message.date_ms // 1000 // length_s * length_s, UTC).replace(tzinfo=None)
            for board, entry in (("action", message.action), ("country", message.country)):
                total = self.totals[length_s, start, board, entry]
                total[0] += message.duration_s
                total[1] += 1


def snapshot(settings: Settings) -> tuple[dict[int, tuple[int, int, int, int]], dict[Row, tuple[int, int]]]:
    """Return next_offset, messages, visits and rejected of each partition, and all totals, of one instant."""
    rows = query(
        settings,
        # one statement reads one instant
        "SELECT NULL, NULL, NULL, NULL, kafka_partition, next_offset, messages, visits, rejected FROM progress "
        "UNION ALL SELECT length_s, window_start, board, entry, duration_s, visits, 0, 0, 0 FROM window_totals",
    )
    progress = {row[4]: (row[5], row[6], row[7], row[8]) for row in rows if row[0] is None}
    totals = {(row[0], _as_datetime(row[1]), row[2], row[3]): (row[4], row[5]) for row in rows if row[0] is not None}
    return progress, totals


def _as_datetime(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _iso(date_ms: int) -> str:
    date = datetime.fromtimestamp(date_ms // 1000, UTC)
    return f"{date:%Y-%m-%dT%H:%M:%S}.{date_ms % 1000:03d}Z"
