"""What the page says of the figures' health: pure decisions about what poller and lag watch have found."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from leaderboard.boards import Position
from leaderboard.lag import Ends
from leaderboard.poller import Found, Partition, Trouble
from leaderboard.wire import PartitionLag, State, Status, TwoWaySum

SILENT_S = 3.0
STANDS_S = 10.0
RATE_S = 5.0

DATAFLOW = "python -m bytewax.run dataflow:flow -w 4"
VISITORS = "python -m simulate"
PROVISION = "python -m ops provision"


class Since(NamedTuple):
    """A moment, and how long it is ago."""

    at: datetime
    ago_s: float


class Observed(NamedTuple):
    """All that is known at one moment.

    `answered` is when the database has answered last; `moved`, when something was counted, or nothing waited.
    """

    found: Found | None
    trouble: Trouble | None
    answered: Since
    moved: Since
    visits_per_s: float | None
    ends: Ends | None


def status_of(seen: Observed) -> Status:
    """Return the status: live only when the database answers, and what waits is being counted."""
    partitions = lags(seen.found.partitions if seen.found else [], seen.ends)
    known = [partition.lag for partition in partitions if partition.lag is not None]
    lag = sum(known) if partitions and len(known) == len(partitions) else None
    state, why, command = _verdict(seen, lag)
    position = seen.found.position if seen.found else None
    return Status(
        state=state,
        why=why,
        next_command=command,
        as_of=position.as_of if position and position.visits else None,
        read_at=position.read_at if position else None,
        messages=position.messages if position else None,
        visits=position.visits if position else None,
        rejected=position.rejected if position else None,
        visits_per_s=seen.visits_per_s if state in {"live", "stale"} else None,
        lag=lag,
        lag_why=seen.ends.why if seen.ends else None,
        partitions=partitions,
        two_way_sum=seen.found.two_way_sum if seen.found else TwoWaySum(),
    )


def lags(partitions: Sequence[Partition], ends: Ends | None) -> list[PartitionLag]:
    """Return what waits per partition; ends may be older than positions, and no lag is below 0."""
    known = ends.ends if ends else {}
    return [
        PartitionLag(at.partition, at.next_offset, _lag(known.get(at.partition), at.next_offset)) for at in partitions
    ]


def _lag(end: int | None, next_offset: int) -> int | None:
    return None if end is None else max(0, end - next_offset)


def _verdict(seen: Observed, lag: int | None) -> tuple[State, str | None, str | None]:
    """Return the state, why it is not live, and the command that helps.

    While nothing changes, neither does the reason: it is read out whenever it does.
    """
    if seen.trouble and seen.trouble.unprovisioned:
        return "unprovisioned", seen.trouble.why, PROVISION
    if seen.trouble:
        return "away", seen.trouble.why, None
    if not seen.found:
        return "starting", "the database has not been read yet", None
    if seen.answered.ago_s > SILENT_S:
        return "away", f"MariaDB has not answered since {_utc(seen.answered.at)}", None
    if lag and seen.moved.ago_s > STANDS_S:
        why = f"messages wait in Kafka, and none has been counted since {_utc(seen.moved.at)}: is the dataflow running?"
        return "stale", why, DATAFLOW
    empty = not seen.found.position.messages
    return "live", None, (DATAFLOW if lag else VISITORS) if empty else None


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


class Rate:
    """Visits counted per second, over the last few seconds of readings."""

    def __init__(self) -> None:
        self._positions: deque[Position] = deque()

    def add(self, position: Position) -> None:
        """Take a reading in; a count that went down begins anew."""
        if self._positions and position.visits < self._positions[-1].visits:
            self._positions.clear()
        self._positions.append(position)
        while (position.read_at - self._positions[0].read_at).total_seconds() > RATE_S:
            self._positions.popleft()

    def per_s(self) -> float | None:
        """Return visits per second, None before two readings a second apart."""
        if not self._positions:
            return None
        first, last = self._positions[0], self._positions[-1]
        passed_s = (last.read_at - first.read_at).total_seconds()
        return round((last.visits - first.visits) / passed_s, 1) if passed_s >= 1 else None
