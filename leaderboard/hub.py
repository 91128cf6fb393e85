"""What all viewers share: the latest readings, encoded once, and the event that wakes their streams.

It belongs to the event loop; poller and lag watch pass their results to it by `call_soon_threadsafe`.
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

from leaderboard.background import RangeFailure, SlowReading
from leaderboard.health import Observed, Rate, Since, status_of
from leaderboard.lag import Ends
from leaderboard.poller import PollFailure, PollResult, Published
from leaderboard.wire import RangeReading, Status
from process.deadline import Deadline

ACTIVE_S = 30.0
HEARTBEAT_S = 5.0
RETRY_MS = 1000

encoder = msgspec.json.Encoder()


class Unavailable(Exception):  # noqa: N818 - a response to one viewer, not an error of the code
    """There are no figures to show; the text states why."""


class _Moment(NamedTuple):
    at: datetime
    monotonic_s: float

    @classmethod
    def now(cls) -> "_Moment":
        return cls(datetime.now(UTC), time.monotonic())

    def since(self) -> Since:
        return Since(self.at, time.monotonic() - self.monotonic_s)


class Hub:
    """The latest of everything, and the active ranges; `missing` is called when one has to be read at once."""

    missing: Callable[[], None] | None = None

    def __init__(self) -> None:
        self._readings: dict[str, RangeReading] = {}
        self._old_readings: dict[str, RangeReading] = {}
        self._range_failures: dict[str, str] = {}
        self._events: dict[tuple[str, int], tuple[str, bytes]] = {}
        self._result: PollResult | None = None
        self._failure: PollFailure | None = None
        self._ends: Ends | None = None
        self._responded = self._progressed = _Moment.now()
        self._rate = Rate()
        self._watched: Counter[str] = Counter()
        self._active: dict[str, Deadline] = {}
        self._changed = asyncio.Event()
        self._ended = False
        self._status = b""
        self._status_event = b""
        self._heartbeat = Deadline(0)

    def update(self, polled: Published) -> None:
        """Store what the poller has read, and notify the viewers."""
        if isinstance(polled, SlowReading):
            self._store(polled.reading)
            self._notify()
        elif isinstance(polled, RangeFailure):
            self._range_failures[polled.range] = polled.why
            self._notify()
        elif isinstance(polled, PollFailure):
            self._failure = polled
            self.refresh_status()
        else:
            self._update_all(polled)

    def _update_all(self, polled: PollResult) -> None:
        if self._result is None or polled.totals.messages != self._result.totals.messages:
            self._progressed = _Moment.now()
        recovered, self._failure = self._failure is not None, None
        self._result, self._responded = polled, _Moment.now()
        self._rate.add(polled.totals)
        for reading in polled.ranges:
            self._store(reading)
        if recovered or not self._status_event:
            self.refresh_status()
        if polled.ranges:
            self._notify()

    def _store(self, reading: RangeReading) -> None:
        self._readings[reading.range] = self._old_readings[reading.range] = reading
        self._range_failures.pop(reading.range, None)
        self._drop_events(reading.range)

    def update_ends(self, ends: Ends) -> None:
        """Store the ends of the partitions in Kafka."""
        self._ends = ends
        if not self.status().lag:
            self._progressed = _Moment.now()  # no message waits

    def partitions(self) -> tuple[str, list[int]] | None:
        """Return the topic and the partitions whose ends are needed; None before they are known."""
        if not self._result or not self._result.partitions:
            return None
        return self._result.partitions[0].topic, [at.partition for at in self._result.partitions]

    def active_ranges(self) -> dict[str, bool]:
        """Return the ranges that are watched or were recently requested, and whether each has to be read at once.

        The poller's thread calls it.
        """
        active = {name for name, until in list(self._active.items()) if not until.passed}
        active |= {name for name, viewers in list(self._watched.items()) if viewers}
        return {name: name not in self._readings for name in active}

    def status(self) -> Status:
        """Return the state of the figures at this moment."""
        seen = Observed(
            result=self._result,
            failure=self._failure,
            responded=self._responded.since(),
            progressed=self._progressed.since(),
            visits_per_s=self._rate.per_s(),
            ends=self._ends,
        )
        return status_of(seen)

    def viewers(self) -> int:
        """Return how many streams are open."""
        return self._watched.total()

    def poll_s(self) -> float:
        """Return how long the latest poll took, seconds; 0 before the first."""
        return self._result.took_s if self._result else 0.0

    async def reading(self, range_name: str, *, within_s: float = 5.0) -> RangeReading:
        """Return the latest reading of a range, once it has been read; an old one if that fails or takes too long.

        :raises Unavailable: this range has not been read before.
        """
        self._activate(range_name)
        deadline = Deadline(within_s)
        while (reading := self._readings.get(range_name)) is None:
            why = self.status().why if self._failure else self._range_failures.get(range_name)
            if deadline.passed or why or self._ended:
                return self._old_reading(range_name, why)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), deadline.left_s)
        return reading

    def _old_reading(self, range_name: str, why: str | None) -> RangeReading:
        if old := self._old_readings.get(range_name):
            return old
        slow = f"range {range_name} has not been read yet: MariaDB takes long for it; try again in a few seconds"
        raise Unavailable(why or self.status().why or slow)

    async def events(self, range_name: str, limit: int, last_id: str | None) -> AsyncIterator[bytes]:
        """Yield server-sent events: boards whenever they differ from those of `last_id`, status in between.

        A slow viewer skips events that newer ones have replaced: each is complete in itself.
        """
        yield ServerSentEvent(retry=RETRY_MS).encode()
        with self._watching(range_name):
            status = b""
            while not self._ended:
                changed = self._changed  # the current one: what changes while an event is being sent is not missed
                event_id, boards = self._boards_event(range_name, limit)
                if event_id and event_id != last_id:
                    yield boards
                    last_id = event_id
                if self._status_event is not status:
                    status = self._status_event
                    yield status
                await changed.wait()

    def refresh_status(self) -> None:
        """Encode the status; send it to the viewers if it has changed, and at least every 5 s as their heartbeat."""
        data = encoder.encode(self.status())
        if data != self._status or self._heartbeat.passed:
            self._status, self._heartbeat = data, Deadline(HEARTBEAT_S)
            self._status_event = ServerSentEvent(data.decode(), event="status").encode()
            self._notify()

    def end(self) -> None:
        """End every viewer's events."""
        self._ended = True
        self._notify()

    def _boards_event(self, range_name: str, limit: int) -> tuple[str, bytes]:
        key = (range_name, limit)
        if key not in self._events:
            reading = self._readings.get(range_name)
            if reading is None:
                return "", b""
            data = encoder.encode(reading.limited(limit))
            # The id is a hash of the data: a viewer can resume at another server, or after a restart.
            event_id = blake2s(data, digest_size=8).hexdigest()
            self._events[key] = (event_id, ServerSentEvent(data.decode(), event="boards", id=event_id).encode())
        return self._events[key]

    @contextmanager
    def _watching(self, range_name: str) -> Iterator[None]:
        self._activate(range_name)
        self._watched[range_name] += 1
        try:
            yield
        finally:
            self._watched[range_name] -= 1
            self._active[range_name] = Deadline(ACTIVE_S)

    def _activate(self, range_name: str) -> None:
        known = range_name in self.active_ranges()
        self._active[range_name] = Deadline(ACTIVE_S)
        if known or self._failure:
            return
        self._readings.pop(range_name, None)  # it was not kept up to date
        self._drop_events(range_name)
        if self.missing:
            self.missing()

    def _drop_events(self, range_name: str) -> None:
        for key in [key for key in self._events if key[0] == range_name]:
            del self._events[key]

    def _notify(self) -> None:
        """Wake all that wait for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
