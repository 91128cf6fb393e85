"""What all viewers share: the latest readings, encoded once, and the moment at which there is something new.

It lives on the event loop; poller and lag watch hand over what they find by `call_soon_threadsafe`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import blake2s
from typing import NamedTuple

import msgspec
from sse_starlette import ServerSentEvent

from leaderboard.health import Observed, Rate, Since, status_of
from leaderboard.lag import Ends
from leaderboard.poller import Found, Trouble
from leaderboard.wire import RangeReading, Status

WANTED_S = 30.0
HEARTBEAT_S = 5.0
RETRY_MS = 1000

encoder = msgspec.json.Encoder()


class Unavailable(Exception):  # noqa: N818 - a value for one viewer, no error of the code
    """There are no figures to show; the text says why."""


class _Moment(NamedTuple):
    at: datetime
    monotonic_s: float

    @classmethod
    def present(cls) -> "_Moment":
        return cls(datetime.now(UTC), time.monotonic())

    def since(self) -> Since:
        return Since(self.at, time.monotonic() - self.monotonic_s)


class Hub:
    """The latest of everything, and who watches what; `missing` is called when a range is to be read at once."""

    missing: Callable[[], None] | None = None

    def __init__(self) -> None:
        self._readings: dict[str, RangeReading] = {}
        self._events: dict[tuple[str, int], tuple[str, bytes]] = {}
        self._found: Found | None = None
        self._trouble: Trouble | None = None
        self._ends: Ends | None = None
        self._answered = self._moved = _Moment.present()
        self._rate = Rate()
        self._watched: Counter[str] = Counter()
        self._asked: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._ended = False
        self._status: tuple[float, bytes] = (float("-inf"), b"")
        self._status_event = b""

    def take(self, found: Found | Trouble) -> None:
        """Take in what the poller has found, and tell the viewers."""
        if isinstance(found, Trouble):
            self._trouble = found
            self.refresh_status()
            return
        if self._found is None or found.position.messages != self._found.position.messages:
            self._moved = _Moment.present()
        was_away, self._trouble = self._trouble is not None, None
        self._found, self._answered = found, _Moment.present()
        self._rate.add(found.position)
        for reading in found.ranges:
            self._readings[reading.range] = reading
            self._drop_events(reading.range)
        if was_away or not self._status_event:
            self.refresh_status()
        if found.ranges:
            self._tell()

    def take_ends(self, ends: Ends) -> None:
        """Take in what Kafka says of its partitions' ends."""
        self._ends = ends
        if not self.status().lag:
            self._moved = _Moment.present()  # nothing waits

    def partitions(self) -> tuple[str, list[int]] | None:
        """Return the topic and the partitions whose ends matter; None before they are known."""
        if not self._found or not self._found.partitions:
            return None
        return self._found.partitions[0].topic, [at.partition for at in self._found.partitions]

    def wanted(self) -> dict[str, bool]:
        """Return the ranges that are watched or have just been asked for, and whether each has to be read at once.

        The poller's thread calls it.
        """
        now = time.monotonic()
        asked = {name for name, at in list(self._asked.items()) if now - at < WANTED_S}
        asked |= {name for name, viewers in list(self._watched.items()) if viewers}
        return {name: name not in self._readings for name in asked}

    def status(self) -> Status:
        """Return how the figures stand at this moment."""
        since = (self._answered.since(), self._moved.since())
        return status_of(Observed(self._found, self._trouble, *since, self._rate.per_s(), self._ends))

    async def reading(self, range_name: str, *, within_s: float = 5.0) -> RangeReading:
        """Return the latest reading of a range, once the poller has it; an old one while the database is away.

        :raises Unavailable: the database is away, and this range has not been read before.
        """
        self._ask(range_name)
        deadline = time.monotonic() + within_s
        while (reading := self._readings.get(range_name)) is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or self._trouble or self._ended:
                raise Unavailable(self.status().why or "the database has not answered in time")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left_s)
        return reading

    async def events(self, range_name: str, limit: int, last_id: str | None) -> AsyncIterator[bytes]:
        """Yield server-sent events: boards whenever they differ from those of `last_id`, status in between.

        A viewer that is slow misses what has been overtaken: every event is whole.
        """
        yield ServerSentEvent(retry=RETRY_MS).encode()
        with self._watching(range_name):
            status = b""
            while not self._ended:
                changed = self._changed  # of now: what changes while an event is being sent is not missed
                event_id, boards = self._boards_event(range_name, limit)
                if event_id and event_id != last_id:
                    yield boards
                    last_id = event_id
                if self._status_event is not status:
                    status = self._status_event
                    yield status
                await changed.wait()

    def refresh_status(self) -> None:
        """Encode the status anew; tell the viewers if it differs, and every 5 s all the same: their heartbeat."""
        data = encoder.encode(self.status())
        sent_at, sent = self._status
        if data != sent or time.monotonic() - sent_at >= HEARTBEAT_S:
            self._status = (time.monotonic(), data)
            self._status_event = ServerSentEvent(data.decode(), event="status").encode()
            self._tell()

    def end(self) -> None:
        """Let every viewer's events end."""
        self._ended = True
        self._tell()

    def _boards_event(self, range_name: str, limit: int) -> tuple[str, bytes]:
        key = (range_name, limit)
        if key not in self._events:
            reading = self._readings.get(range_name)
            if reading is None:
                return "", b""
            data = encoder.encode(reading.limited(limit))
            # The id says what is in it: a viewer resumes also at another server, or after a restart.
            event_id = blake2s(data, digest_size=8).hexdigest()
            self._events[key] = (event_id, ServerSentEvent(data.decode(), event="boards", id=event_id).encode())
        return self._events[key]

    @contextmanager
    def _watching(self, range_name: str) -> Iterator[None]:
        self._ask(range_name)
        self._watched[range_name] += 1
        try:
            yield
        finally:
            self._watched[range_name] -= 1
            self._asked[range_name] = time.monotonic()

    def _ask(self, range_name: str) -> None:
        known = range_name in self.wanted()
        self._asked[range_name] = time.monotonic()
        if known or self._trouble:
            return
        self._readings.pop(range_name, None)  # nobody has kept it up to date
        self._drop_events(range_name)
        if self.missing:
            self.missing()

    def _drop_events(self, range_name: str) -> None:
        for key in [key for key in self._events if key[0] == range_name]:
            del self._events[key]

    def _tell(self) -> None:
        """Wake everybody who waits for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
