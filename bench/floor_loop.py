"""A plain loop without an engine: what Python can read from a topic, decode, fold and format in one thread at best.

It writes to no server, keeps no position and checks no rule. One line of JSON on standard output. Run by
`python -m bench floor`, which compares the totals with the number of visits.

Each choice below was measured in turns over 1 million visits in 4 partitions, CPU time of all threads: `consume(500)`
0.86 µs a visit (consume, decode, fold, cart lines), `consume(1000)` 0.86, `consume(10000)` 1.89: what one call
returns has to stay in the processor's cache until it is folded. A fetch of 200 KB a partition 0.80, of 1 MB 0.88. One
JSON array of all values instead of a call for each: no difference. Dates as text, compared as text: no difference.
"""

import gc
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

WINDOW_S = 5
_MESSAGES = 500
_ABANDONED = "SHOPPING_CART"
_WATERMARKS_S = 30

_Cells = defaultdict[str, defaultdict[str, list[int]]]


class _Visit(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    visit_date: datetime
    country: str
    last_action: str
    duration: int


_decode: Callable[[Any], _Visit] = msgspec.json.Decoder(_Visit).decode


class Fold:
    """Windows of 5 s by action and country: the durations of each cell, added up when all visits are in."""

    def __init__(self) -> None:
        self._windows: dict[int, tuple[datetime, datetime, _Cells]] = {}
        self._open = (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), _empty())

    def add(self, visits: Iterable[_Visit]) -> None:
        """Add visits; neighbours mostly share a window."""
        begin, end, cells = self._open
        for visit in visits:
            if not begin <= visit.visit_date < end:
                begin, end, cells = self._open = self._window_of(visit.visit_date)
            cells[visit.last_action][visit.country].append(visit.duration)

    def totals(self) -> dict[str, int]:
        """Return the number of visits of each board; the longer windows would be sums of a few thousand of these."""
        by_action: defaultdict[tuple[int, str], int] = defaultdict(int)
        by_country: defaultdict[tuple[int, str], int] = defaultdict(int)
        duration_s = 0
        for start, (_, _, cells) in self._windows.items():
            for action, durations_by_country in cells.items():
                for country, durations_s in durations_by_country.items():
                    by_action[start, action] += len(durations_s)
                    by_country[start, country] += len(durations_s)
                    duration_s += sum(durations_s)
        boards = {"action": sum(by_action.values()), "country": sum(by_country.values())}
        return {**{f"{board}_{WINDOW_S}_s": visits for board, visits in boards.items()}, "duration_s": duration_s}

    def _window_of(self, date: datetime) -> tuple[datetime, datetime, _Cells]:
        start = int(date.timestamp()) // WINDOW_S * WINDOW_S
        if start not in self._windows:
            begin = datetime.fromtimestamp(start, UTC)
            self._windows[start] = (begin, begin + timedelta(seconds=WINDOW_S), _empty())
        return self._windows[start]


def _empty() -> _Cells:
    return defaultdict(lambda: defaultdict(list))


def decoded(messages: Iterable[Message]) -> list[_Visit]:
    """Return the visits in the messages."""
    return list(map(_decode, map(Message.value, messages)))


def cart_lines(visits: Iterable[_Visit]) -> list[str]:
    """Return the lines of the abandoned carts, their dates converted in one call."""
    carts = [visit for visit in visits if visit.last_action == _ABANDONED]
    dates: list[str] = msgspec.to_builtins([visit.visit_date for visit in carts])
    return [
        f"{date[:23]}Z,{visit.country},{visit.last_action},{visit.duration}"
        for date, visit in zip(dates, carts, strict=True)
    ]


def loop(work: str, batches: Iterable[list[Message]]) -> dict[str, int]:
    """Do the work over every batch; return what was counted."""
    fold = Fold()
    carts = messages_read = 0
    for messages in batches:
        messages_read += len(messages)
        if work == "consume":
            continue
        visits = decoded(messages)
        if work == "decode":
            continue
        fold.add(visits)
        if work == "carts":
            carts += len(cart_lines(visits))
    counts = {"messages": messages_read}
    if work in {"fold", "carts"}:
        counts |= fold.totals()
    if work == "carts":
        counts["carts"] = carts
    return counts


def batches_of(topic: str, partitions: int, servers: str) -> Iterator[list[Message]]:
    """Read a topic from its beginning to its present end, by one consumer for all partitions."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "floor",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "check.crcs": False,
            "fetch.queue.backoff.ms": 2,
            "max.partition.fetch.bytes": 200_000,
            "queued.min.messages": 20_000,
        }
    )
    places = [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)]
    left = 0
    for place in places:
        first, end = consumer.get_watermark_offsets(place, _WATERMARKS_S)
        left += end - first
    consumer.assign(places)
    while left:
        messages = consumer.consume(_MESSAGES, 1.0)
        left -= len(messages)
        yield messages
    consumer.close()


def main(work: str) -> None:
    """Do the work, print what was counted."""
    gc.disable()  # nothing here makes circles
    topic, partitions = os.environ["VISITS_TOPIC"], int(os.environ["VISITS_PARTITIONS"])
    counts = loop(work, batches_of(topic, partitions, os.environ["KAFKA_BOOTSTRAP_SERVERS"]))
    print(msgspec.json.encode(counts).decode())


if __name__ == "__main__":
    main(sys.argv[1])
