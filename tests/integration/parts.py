"""Parts of the dataflow for partition 0, on real servers, called by hand as a worker of Bytewax calls them."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from operators.batches import RawBatch
from partition.committer import Committer
from partition.owner import PartitionOwner, partition_name
from partition.ownership import OwnedPartition
from process.errors import Fatal
from settings import Settings
from sources.kafka import KafkaSource
from tests.support import wait_until

NAME = partition_name(0)
DEADLINE_S = 60.0


class Accepting:
    """Stands for one of the two sides of a commit: it accepts whatever comes."""

    def commit(self, batches: Sequence[Any]) -> None:
        """Do nothing."""

    def keep_alive(self) -> None:
        """Do nothing."""


def owner_of(settings: Settings) -> PartitionOwner:
    """Return an owner whose committers write nothing; a sink that is built with it replaces one side."""
    owner = PartitionOwner(settings)
    owner.outputs = owner.totals = lambda owned: Accepting()
    return owner


class Reader:
    """The source's part, and what it has sent. The test stands for the committer: it moves the position."""

    def __init__(self, settings: Settings) -> None:
        self.owner = owner_of(settings)
        self.part = KafkaSource(settings, self.owner).build_part("visits", NAME, None)
        self.batches: list[RawBatch] = []

    @property
    def committer(self) -> Committer:
        """The partition's committer, as soon as it is owned."""

        def committer() -> Committer | None:
            with suppress(Fatal):  # there is none yet
                return self.owner.of(0)
            return None

        return wait_until(committer, deadline_s=DEADLINE_S, what="partition 0 is owned")

    @property
    def end(self) -> int:
        """Where the last batch ends."""
        return self.batches[-1].end if self.batches else 0

    @property
    def offsets(self) -> list[int | None]:
        """The offsets of all messages, in the order in which they came."""
        return [message.offset() for batch in self.batches for message in batch.messages]

    def read(self) -> RawBatch | None:
        """Poll for a batch, once."""
        for name, batch in self.part.next_batch():
            assert name == NAME
            self.batches.append(batch)
            return batch
        return None

    def rest(self) -> timedelta:
        """Return how long the source waits for its next poll; zero if it does not."""
        awake = self.part.next_awake()
        return timedelta(0) if awake is None else awake - datetime.now(UTC)

    def read_until(self, condition: Callable[[], bool], *, what: str, counting: bool = True) -> None:
        """Poll for batches until the condition holds; `counting`: each is in the database at once."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            batch = self.read()
            if batch and counting:
                self.committer.position = batch.end
            if condition():
                return
            if time.monotonic() > deadline:
                pytest.fail(f"after {DEADLINE_S:.0f} s still not: {what}; sent up to {self.end}")
            time.sleep(max(0.0, self.rest().total_seconds()))


@contextmanager
def reading(settings: Settings) -> Iterator[Reader]:
    """Build the source's part for as long as this lasts."""
    reader = Reader(settings)
    try:
        yield reader
    finally:
        reader.part.close()


@contextmanager
def owned(settings: Settings) -> Iterator[tuple[PartitionOwner, OwnedPartition]]:
    """Own partition 0 for as long as this lasts."""
    owner = owner_of(settings)
    try:
        yield owner, owner.begin(0).result(DEADLINE_S).owned
    finally:
        owner.release(0)


class SinkPart:
    """The part of one sink, and the committer that it hands its batches to."""

    def __init__(self, part: Any, committer: Committer) -> None:
        self.part = part
        self.committer = committer

    @property
    def position(self) -> int:
        """Where the committer stands."""
        return self.committer.position

    def has_committed(self, end: int) -> bool:
        """Return whether it has committed up to `end`.

        :raises Fatal: it has failed.
        """
        if self.committer.failure:
            raise self.committer.failure
        return self.position == end

    def wait_until_committed(self, end: int, *, deadline_s: float = DEADLINE_S) -> None:
        """Wait until it has."""
        wait_until(
            lambda: self.has_committed(end),
            deadline_s=deadline_s,
            what=lambda: f"a commit up to {end}; the position is {self.position}",
        )
