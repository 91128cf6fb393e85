"""Memory, threads and file descriptors of the dataflow's processes: flat, whatever happens to the servers."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from statistics import median
from typing import NamedTuple

import psutil

LONG_SAMPLES = 60
"""A process that was sampled so often, once a second, is compared over its life as well."""

_MB = 1_000_000


class Footprint(NamedTuple):
    """What a process holds, or by how much that has grown."""

    memory_mb: float = 0.0
    threads: int = 0
    descriptors: int = 0

    def __str__(self) -> str:
        return f"{self.memory_mb:+.0f} MB, {self.threads:+d}, {self.descriptors:+d}"

    def exceeds(self, limit: "Footprint") -> bool:
        """Return whether any part is beyond its limit."""
        return any(mine > most for mine, most in zip(self, limit, strict=True))


FAULT_MAY_ADD = Footprint(64.0, 8, 16)
"""From just before the fault to after the recovery: a backlog of messages, and the clients' second connections."""

LIFE_MAY_ADD = Footprint(32.0, 4, 8)
"""From the median of the first third of a long life to that of the last third: what leaks goes on to grow."""


def footprint_of(process: psutil.Process) -> Footprint:
    """Return what a process holds now.

    :raises psutil.Error: it is gone.
    """
    with process.oneshot():
        return Footprint(process.memory_info().rss / _MB, process.num_threads(), process.num_fds())


def growth(earlier: Sequence[Footprint], later: Sequence[Footprint]) -> Footprint:
    """Return the difference between the medians of two times."""
    memory, threads, descriptors = (
        median(after) - median(before)
        for before, after in zip(zip(*earlier, strict=True), zip(*later, strict=True), strict=True)
    )
    return Footprint(memory, round(threads), round(descriptors))


def worst(growths: Iterable[Footprint]) -> Footprint | None:
    """Return the largest growth of each kind; None where there was nothing to compare."""
    columns = list(zip(*growths, strict=True))
    return Footprint(*map(max, columns)) if columns else None


class Footprints:
    """Samples of every process that has run, by process."""

    def __init__(self, measure: Callable[[psutil.Process], Footprint] = footprint_of) -> None:
        self._measure = measure
        self._samples: dict[psutil.Process, list[Footprint]] = {}
        self._before: dict[psutil.Process, int] = {}

    def sample(self, processes: Iterable[psutil.Process]) -> None:
        """Measure processes; one that is ending is left out."""
        for process in processes:
            with suppress(psutil.Error):
                self._samples.setdefault(process, []).append(self._measure(process))

    def mark_the_fault(self) -> None:
        """Everything up to here is before the fault."""
        self._before = {process: len(samples) for process, samples in self._samples.items()}

    def of_the_fault(self, processes: Iterable[psutil.Process]) -> Footprint | None:
        """Return the worst growth from before the fault until now, of the processes that were not replaced."""
        lived = [process for process in processes if self._before.get(process)]
        return worst(
            growth(self._samples[process][: self._before[process]][-1:], self._samples[process][-3:])
            for process in lived
        )

    def of_a_life(self) -> Footprint | None:
        """Return the worst growth over the life of any process that lived for long."""
        return worst(
            growth(samples[: len(samples) // 3], samples[-(len(samples) // 3) :])
            for samples in self._samples.values()
            if len(samples) >= LONG_SAMPLES
        )
