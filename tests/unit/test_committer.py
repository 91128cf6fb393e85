"""The committer: Kafka first, MariaDB second, then the position; as soon as possible, but no sooner than allowed."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, cast

import pytest

from operators.batches import OutputBatch, SumBatch
from partition import committer as committer_module
from partition.committer import Committer, GroupCommit
from partition.ownership import OwnedPartition, Tails
from partition.pipeline import Fixed, Pipeline
from partition.position import PartitionConnection
from process.cancellation import Cancellation
from process.errors import ExitCode, Fatal, raise_fatal
from tests.support import wait_until


class Connection:
    """A connection of which only the end is of interest."""

    where = "topic 'visits' partition 0"

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        """Note the end."""
        self.closed.set()


class Side:
    """One side of a commit: it notes what it is called with, and waits until it may return."""

    def __init__(self, name: str, log: list[tuple[Any, ...]]) -> None:
        self._name = name
        self._log = log
        self.may_return = threading.Event()
        self.may_return.set()
        self.error: Exception | None = None
        self.entered = threading.Event()

    def commit(self, batches: Sequence[Any]) -> None:
        """Note the offsets."""
        self.entered.set()
        self.may_return.wait(30)
        if self.error:
            raise self.error
        self._log.append((self._name, batches[0].begin, batches[-1].end))

    def keep_alive(self) -> None:
        """Note the call."""
        self._log.append((f"{self._name} kept alive",))


class Bench:
    """A committer between two such sides."""

    def __init__(self, flush_interval_s: float) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.kafka = Side("kafka", self.log)
        self.mariadb = Side("mariadb", self.log)
        self.connection = Connection()
        owned = OwnedPartition(
            partition=0,
            pipeline=Pipeline("pipeline", "visits", "topic-id", 1, Fixed("5", "", 1)),
            connection=cast(PartitionConnection, self.connection),
            producer=cast(Any, None),
            tails=Tails({}, -1),
            start=0,
            cancellation=Cancellation(),
        )
        self.committer = Committer(
            owned,
            outputs=self.kafka,
            totals=self.mariadb,
            group=GroupCommit(flush_interval_s, full_batch=100),
            on_fatal=raise_fatal,
        )

    def outputs(self, *offsets: int) -> None:
        """Hand over the outputs of the batches between these offsets."""
        for begin, end in pairwise(offsets):
            self.committer.add_outputs(OutputBatch(0, begin, end, {}, []))

    def sums(self, *offsets: int) -> None:
        """Hand over the sums of the batches between these offsets."""
        for begin, end in pairwise(offsets):
            self.committer.add_sums(SumBatch(0, begin, end, 0, 0, None, {}))

    def visits(self, *offsets: int) -> None:
        """Hand over both halves of the batches between these offsets, one visit at each."""
        for begin, end in pairwise(offsets):
            self.committer.add_outputs(OutputBatch(0, begin, end, {}, []))
            self.committer.add_sums(SumBatch(0, begin, end, end - begin, 0, None, {}))

    def wait_for_position(self, end: int) -> None:
        """Wait until all before `end` is committed."""
        self.wait(lambda: self.committer.position == end, f"a commit up to {end}")

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until the condition holds."""
        wait_until(condition, deadline_s=30, what=what)


@contextmanager
def committing(flush_interval_s: float = 0.001) -> Iterator[Bench]:
    """Run a committer for as long as this lasts."""
    bench = Bench(flush_interval_s)
    bench.committer.start()
    try:
        yield bench
    finally:
        bench.kafka.may_return.set()
        bench.mariadb.may_return.set()
        assert bench.committer.stop(30)
        assert bench.connection.closed.is_set()


def test_kafka_first_mariadb_second_then_the_position() -> None:
    """At every position of the database all earlier outputs are in Kafka."""
    with committing() as bench:
        bench.mariadb.may_return.clear()
        bench.outputs(0, 5)
        bench.sums(0, 5)
        assert bench.mariadb.entered.wait(30)
        assert (bench.log, bench.committer.position) == ([("kafka", 0, 5)], 0)
        bench.mariadb.may_return.set()
        bench.wait_for_position(5)
        assert bench.log == [("kafka", 0, 5), ("mariadb", 0, 5)]


def test_what_gathers_during_a_commit_is_committed_together() -> None:
    """Group commit: the next one begins when the one before has ended, with all of which both halves are there."""
    with committing() as bench:
        bench.kafka.may_return.clear()
        bench.outputs(0, 5)
        bench.sums(0, 5)
        assert bench.kafka.entered.wait(30)
        bench.sums(5, 9, 12, 20)
        bench.outputs(5, 9, 12)
        bench.kafka.may_return.set()
        bench.wait_for_position(12)
        assert bench.log[2:] == [("kafka", 5, 12), ("mariadb", 5, 12)]
        bench.outputs(12, 20)
        bench.wait_for_position(20)


def test_a_commit_waits_for_both_halves_in_either_order() -> None:
    """Nothing depends on the order in which Bytewax calls the sinks."""
    with committing() as bench:
        bench.sums(0, 5)
        bench.outputs(0, 5)
        bench.wait_for_position(5)
        bench.outputs(5, 7)
        bench.sums(5, 7)
        bench.wait_for_position(7)


def test_the_flush_interval_is_the_shortest_time_between_two_commits() -> None:
    """From the beginning of one to the beginning of the next."""
    interval_s = 0.2
    with committing(interval_s) as bench:
        began: list[float] = []
        for end in range(1, 5):
            bench.outputs(end - 1, end)
            bench.sums(end - 1, end)
            bench.wait_for_position(end)
            began.append(time.monotonic())
        assert began[3] - began[0] >= 3 * interval_s * 0.9


@pytest.mark.parametrize(("last", "why"), [(400, "400 messages have gathered"), (399, "one is not full")])
def test_full_batches_gather(last: int, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More waits in the log: fewer and larger commits, until enough have gathered or the backlog ends."""
    monkeypatch.setattr(committer_module, "BACKLOG_S", 30.0)
    monkeypatch.setattr(committer_module, "BACKLOG_MESSAGES", 400)
    with committing() as bench:
        bench.visits(0, 1)
        bench.wait_for_position(1)
        bench.visits(1, 101, 201, 301)
        bench.visits(301, last + 1)
        bench.wait_for_position(last + 1)
        assert bench.log[2:] == [("kafka", 1, last + 1), ("mariadb", 1, last + 1)], why


def test_full_batches_wait_for_others_no_longer_than_50_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    """None may come: the committer has a timer."""
    monkeypatch.setattr(committer_module, "BACKLOG_S", 0.2)
    with committing() as bench:
        bench.visits(0, 1)
        bench.wait_for_position(1)
        bench.visits(1, 101)
        bench.wait_for_position(101)


def test_without_batches_the_connection_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The committer has a timer of its own."""
    monkeypatch.setattr(committer_module, "KEEP_ALIVE_S", 0.02)
    with committing() as bench:
        bench.wait(lambda: bench.log.count(("mariadb kept alive",)) >= 3, "three keep-alives")


def test_stop_commits_nothing_more() -> None:
    """A commit to Kafka that is under way may arrive, its half in MariaDB does not: the next owner drops repeats."""
    with committing() as bench:
        bench.kafka.may_return.clear()
        bench.outputs(0, 5, 9)
        bench.sums(0, 5, 9)
        assert bench.kafka.entered.wait(30)
        assert not bench.committer.stop(0)
        bench.kafka.may_return.set()
        assert bench.committer.stop(30)
        assert "mariadb" not in [entry[0] for entry in bench.log]
        assert bench.committer.position == 0


def test_a_fatal_error_is_kept_for_whoever_outlives_it() -> None:
    """Where the process does not end, the source raises it."""
    with committing() as bench:
        bench.mariadb.error = Fatal("what, its value, and its cure", ExitCode.ABORTED)
        bench.outputs(0, 5)
        bench.sums(0, 5)
        bench.wait(lambda: bench.committer.failure, "the failure")
        assert bench.committer.failure is bench.mariadb.error
        assert bench.committer.position == 0


def test_a_defect_ends_the_run_with_an_error_message(caplog: pytest.LogCaptureFixture) -> None:
    """A thread that ended unnoticed would leave a dataflow that hangs."""
    with committing() as bench:
        bench.kafka.error = ZeroDivisionError("division by zero")
        bench.outputs(0, 5)
        bench.sums(0, 5)
        bench.wait(lambda: bench.committer.failure, "the failure")
        failure = bench.committer.failure
        assert failure is not None
        assert failure.code == ExitCode.ABORTED
        assert failure.message == (
            "topic 'visits' partition 0: ZeroDivisionError in the committer: division by zero; report this"
        )
    assert "Traceback" in caplog.text


def test_batches_must_follow_one_another() -> None:
    """For either half: a batch that is missing, or comes twice, is never committed."""
    with committing() as bench:
        bench.outputs(0, 5)
        bench.sums(0, 5)
        for add in (bench.outputs, bench.sums):
            for begin, end in ((0, 5), (6, 9)):
                with pytest.raises(Fatal, match=rf"a batch begins at offset {begin}, but 5 comes next; report this"):
                    add(begin, end)


def test_halves_that_end_differently_are_never_committed() -> None:
    """They are not the two halves of one batch."""
    with committing() as bench:
        bench.outputs(0, 5)
        bench.sums(0, 6)
        bench.wait(lambda: bench.committer.failure, "the failure")
        assert "outputs end at offset 5, sums at 6; report this" in str(bench.committer.failure)
        assert bench.log == []
