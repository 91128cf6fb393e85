"""The health of the figures as the page shows it: pure decisions on what poller and lag watch have read."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from leaderboard.boards import Totals
from leaderboard.lag import Ends
from leaderboard.poller import Partition, PollFailure, PollResult
from leaderboard.wire import PartitionLag, State, Status, TwoWaySum

UNAVAILABLE_AFTER_S = 3.0
STALE_AFTER_S = 10.0
RATE_OVER_S = 5.0

DATAFLOW = "python -m bytewax.run dataflow:flow -w 4"
LOAD_GENERATOR = "python -m simulate"
PROVISION = "python -m ops provision"


class Since(NamedTuple):
    """A moment, and how long ago it is."""

    at: datetime
    ago_s: float


class Observed(NamedTuple):
    """All that is known at one moment.

    `responded` is when the database last responded; `progressed`, when a message was last counted, or none waited.
    """

    result: PollResult | None
    failure: PollFailure | None
    responded: Since
    progressed: Since
    visits_per_s: float | None
    ends: Ends | None


def status_of(seen: Observed) -> Status:
    """Return the status: live only while the database responds, and messages that wait are being counted."""
    partitions = lags(seen.result.partitions if seen.result else [], seen.ends)
    known = [partition.lag for partition in partitions if partition.lag is not None]
    lag = sum(known) if partitions and len(known) == len(partitions) else None
    state, why, command = _verdict(seen, lag)
    totals = seen.result.totals if seen.result else None
    return Status(
        state=state,
        why=why,
        next_command=command,
        as_of=totals.as_of if totals and totals.visits else None,
        read_at=totals.read_at if totals else None,
        messages=totals.messages if totals else None,
        visits=totals.visits if totals else None,
        rejected=totals.rejected if totals else None,
        visits_per_s=seen.visits_per_s if state in {"live", "stale"} else None,
        lag=lag,
        lag_why=seen.ends.why if seen.ends else None,
        partitions=partitions,
        two_way_sum=seen.result.two_way_sum if seen.result else TwoWaySum(),
    )


def lags(partitions: Sequence[Partition], ends: Ends | None) -> list[PartitionLag]:
    """Return the lag per partition; ends may be older than positions, and no lag is below 0."""
    known = ends.ends if ends else {}
    return [
        PartitionLag(at.partition, at.next_offset, _lag(known.get(at.partition), at.next_offset)) for at in partitions
    ]


def _lag(end: int | None, next_offset: int) -> int | None:
    return None if end is None else max(0, end - next_offset)


def _verdict(seen: Observed, lag: int | None) -> tuple[State, str | None, str | None]:
    """Return the state, why it is not live, and the command that helps.

    The reason stays the same while nothing changes: screen readers announce every change of it.
    """
    if seen.failure and seen.failure.unprovisioned:
        return "unprovisioned", seen.failure.why, PROVISION
    if seen.failure:
        return "away", seen.failure.why, None
    if not seen.result:
        return "starting", "the database has not been read yet", None
    if seen.responded.ago_s > UNAVAILABLE_AFTER_S:
        return "away", f"MariaDB has not responded since {_utc(seen.responded.at)}", None
    if lag and seen.progressed.ago_s > STALE_AFTER_S:
        since = _utc(seen.progressed.at)
        why = f"messages wait in Kafka, and none has been counted since {since}: is the dataflow running?"
        return "stale", why, DATAFLOW
    empty = not seen.result.totals.messages
    return "live", None, (DATAFLOW if lag else LOAD_GENERATOR) if empty else None


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


class Rate:
    """Visits counted per second, over the last few seconds of readings."""

    def __init__(self) -> None:
        self._readings: deque[Totals] = deque()

    def add(self, totals: Totals) -> None:
        """Add a reading; start over when the count went down."""
        if self._readings and totals.visits < self._readings[-1].visits:
            self._readings.clear()
        self._readings.append(totals)
        while (totals.read_at - self._readings[0].read_at).total_seconds() > RATE_OVER_S:
            self._readings.popleft()

    def per_s(self) -> float | None:
        """Return visits per second, None before there are two readings a second apart."""
        if not self._readings:
            return None
        first, last = self._readings[0], self._readings[-1]
        elapsed_s = (last.read_at - first.read_at).total_seconds()
        return round((last.visits - first.visits) / elapsed_s, 1) if elapsed_s >= 1 else None
