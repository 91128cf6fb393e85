"""Parts of the dataflow for partition 0, on real servers, called by hand as a worker of Bytewax calls them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from operators.batches import RawBatch
from partition.ownership import Claim, Claims
from process.errors import Fatal
from settings import Settings
from sources.kafka import KafkaSource, partition_key
from tests.support import wait_until

KEY = partition_key(0)
DEADLINE_S = 60.0


class Reader:
    """The source's part, and what it has passed on. The test stands for the sinks: it moves `claim.totals`."""

    def __init__(self, settings: Settings) -> None:
        self.claims = Claims(settings)
        self.part = KafkaSource(settings, self.claims).build_part("visits", KEY, None)
        self.batches: list[RawBatch] = []

    @property
    def claim(self) -> Claim:
        """The partition's claim, as soon as it stands."""

        def claim() -> Claim | None:
            with suppress(Fatal):  # it says that there is none yet
                return self.claims.of(0)
            return None

        return wait_until(claim, deadline_s=DEADLINE_S, what="the claim of partition 0")

    @property
    def end(self) -> int:
        """Where the last cut ends."""
        return self.batches[-1].end if self.batches else 0

    @property
    def offsets(self) -> list[int | None]:
        """The offsets of all messages, in the order in which they came."""
        return [message.offset() for batch in self.batches for message in batch.messages]

    def read(self) -> RawBatch | None:
        """Ask for a batch, once."""
        for key, batch in self.part.next_batch():
            assert key == KEY
            self.batches.append(batch)
            return batch
        return None

    def rest(self) -> timedelta:
        """Return how long the source wants to be left alone; nothing if it wants to be asked at once."""
        awake = self.part.next_awake()
        return timedelta(0) if awake is None else awake - datetime.now(UTC)

    def read_until(self, condition: Callable[[], bool], *, what: str, counting: bool = True) -> None:
        """Ask for batches until the condition holds; `counting`: each is in the database at once."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            batch = self.read()
            if batch and counting:
                self.claim.outputs = self.claim.totals = batch.end
            if condition():
                return
            if time.monotonic() > deadline:
                pytest.fail(f"after {DEADLINE_S:.0f} s still not: {what}; passed on up to {self.end}")
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
def claimed(settings: Settings) -> Iterator[tuple[Claims, Claim]]:
    """Claim partition 0 for as long as this lasts."""
    claims = Claims(settings)
    try:
        yield claims, claims.begin(0).result(DEADLINE_S)
    finally:
        claims.end(0)
