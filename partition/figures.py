"""The figures of the owned partitions, as Prometheus reads them: counted at each commit, or read when scraped."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from operators.batches import OutputBatch, SumBatch
from process import metrics
from process.metrics import PREFIX


class PartitionFigures:
    """What one owned partition has committed, and how far behind it is.

    `lag` returns the messages that wait in Kafka, None while that is unknown; `ahead` the batches and the bytes that
    were read and are not committed. Source and committer set them; they are called when someone scrapes.
    """

    def __init__(self, partition: int, add: Callable[[int], None]) -> None:
        self.partition = str(partition)
        self._add = add
        self.lag: Callable[[], int | None] = _unknown
        self.ahead: Callable[[], tuple[int, int]] = _nothing
        self.newest_visit_s: float | None = None
        self.committed_at = time.monotonic()
        self._messages = metrics.MESSAGES.labels(self.partition)
        self._visits = metrics.VISITS.labels(self.partition)

    def count(self, outputs: Sequence[OutputBatch], sums: Sequence[SumBatch]) -> None:
        """Count what a commit has made durable."""
        self.committed_at = time.monotonic()
        visits = sum(batch.visits for batch in sums)
        messages = visits + sum(batch.rejected for batch in sums)
        self._add(messages)
        if metrics.enabled():
            self._visits.inc(visits)
            self._messages.inc(messages)
            self._count_outputs(outputs)
            self._observe_dates(sums)

    def _count_outputs(self, outputs: Sequence[OutputBatch]) -> None:
        for reason, number in Counter(reject.why.reason for batch in outputs for reject in batch.rejects).items():
            metrics.REJECTS.labels(self.partition, reason).inc(number)
        for batch in outputs:
            for output, lines in batch.lines.items():
                metrics.lines(output).labels(self.partition).inc(len(lines))

    def _observe_dates(self, sums: Sequence[SumBatch]) -> None:
        newest = [batch.max_timestamp for batch in sums if batch.max_timestamp is not None]
        self.newest_visit_s = max(newest, default=self.newest_visit_s)
        last_read = sums[-1].last_read
        if last_read and last_read.timestamp_ms > 0:
            metrics.LATENCY.observe(max(0.0, time.time() - last_read.timestamp_ms / 1000))


def _unknown() -> None:
    return None


def _nothing() -> tuple[int, int]:
    return (0, 0)


class OwnedPartitions(Collector):
    """The gauges of this process's partitions, read when they are scraped: no work while nobody looks."""

    def __init__(self) -> None:
        self.messages = 0
        """How many messages the partitions of this process have committed, those that are not owned any more too."""
        self._figures: dict[int, PartitionFigures] = {}
        self._lock = threading.Lock()

    def add(self, partition: int) -> PartitionFigures:
        """Begin to report a partition that is owned."""
        with self._lock:
            self._figures[partition] = figures = PartitionFigures(partition, self._add)
        return figures

    def lag(self) -> int | None:
        """Return how many messages wait for this process; None while that is unknown of a partition."""
        with self._lock:
            lags = [figures.lag() for figures in self._figures.values()]
        known = [lag for lag in lags if lag is not None]
        return sum(known) if len(known) == len(lags) else None

    def _add(self, messages: int) -> None:
        with self._lock:
            self.messages += messages

    def remove(self, partition: int) -> None:
        """End the report of a partition."""
        with self._lock:
            self._figures.pop(partition, None)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self._lock:
            figures = list(self._figures.values())
        now_s, now = time.time(), time.monotonic()
        yield GaugeMetricFamily(f"{PREFIX}_owned_partitions", "Partitions that this process owns.", len(figures))
        yield _gauge("lag_messages", "Messages that wait in Kafka.", figures, lambda each: each.lag())
        yield _gauge("ahead_batches", "Batches read and not committed.", figures, lambda each: each.ahead()[0])
        yield _gauge("ahead_bytes", "Bytes read and not committed.", figures, lambda each: each.ahead()[1])
        yield _gauge(
            "event_time_lag_seconds",
            "Now minus the latest visitDate of the last commit.",
            figures,
            lambda each: None if each.newest_visit_s is None else now_s - each.newest_visit_s,
        )
        yield _gauge(
            "since_commit_seconds", "Time since the last commit.", figures, lambda each: now - each.committed_at
        )


def _gauge(
    name: str, text: str, figures: Iterable[PartitionFigures], value_of: Callable[[PartitionFigures], float | None]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["partition"])
    for each in figures:
        value = value_of(each)
        if value is not None:
            family.add_metric([each.partition], value)
    return family


OWNED = OwnedPartitions()
REGISTRY.register(OWNED)
