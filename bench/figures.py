"""Figures: what is taken from a run into the tables, and the spread of a figure over the rounds."""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import NamedTuple

from bench.idle import Idle
from bench.latency import Latency
from bench.report import Run
from bench.startup import Startup

Figures = Mapping[str, float]
"""By name; the unit is part of the name."""

_MB_PER_MIB = 1.048576


class Spread(NamedTuple):
    """The smallest, the middle and the largest value of some rounds."""

    low: float
    middle: float
    high: float


def spread_of(values: Iterable[float]) -> Spread | None:
    """Return the spread; None without values."""
    ordered = sorted(values)
    return Spread(ordered[0], median(ordered), ordered[-1]) if ordered else None


def of_run(run: Run) -> Figures:
    """Return a run's figures, from the process's start to its exit."""
    return {
        "seconds": run.seconds,
        "visits_per_s": run.messages / run.seconds,
        "cpu_us": run.cpu_s / run.messages * 1e6,
        "peak_mb": _mb(run.peak_mib),
        **_of_counts(run),
    }


def steady(small: Run, large: Run) -> Figures:
    """Return the figures of the visits between two sizes, which leave out what starting and ending take.

    Rates and CPU time are missing where the larger run was not measurably longer: its sizes are too close.
    """
    visits, seconds, cpu_s = (
        large.messages - small.messages,
        large.seconds - small.seconds,
        large.cpu_s - small.cpu_s,
    )
    rate = {"visits_per_s": visits / seconds} if visits > 0 and seconds > 0 else {}
    cost = {"cpu_us": cpu_s / visits * 1e6} if visits > 0 and cpu_s > 0 else {}
    return {
        **rate,
        **cost,
        "small_s": small.seconds,
        "large_s": large.seconds,
        "peak_mb": _mb(max(small.peak_mib, large.peak_mib)),
        **_of_counts(large),
    }


def of_latency(run: Latency) -> Figures:
    """Return the latencies and what they cost."""
    return {
        "visits_per_s": run.visits_per_s,
        "p50_ms": run.p50_ms,
        "p90_ms": run.p90_ms,
        "p99_ms": run.p99_ms,
        "max_ms": run.max_ms,
        "commits_per_s": run.commits_per_s,
        "transactions_per_s": run.transactions_per_s,
        "cpu_percent": run.cpu_s / run.seconds * 100,
        "behind_ms": run.behind_max_ms,
        "peak_mb": _mb(run.peak_mib),
    }


def of_idle(run: Idle) -> Figures:
    """Return what it used while idle, in percent of a core."""
    return {"cpu_percent": run.cpu_share * 100, "peak_mb": _mb(run.peak_mib)}


def of_startup(run: Startup) -> Figures:
    """Return the times from the command on."""
    return {"first_row_s": run.first_row_s, "all_partitions_s": run.all_partitions_s, "peak_mb": _mb(run.peak_mib)}


def of_writes(run: Run) -> Figures:
    """Return what was written for a million visits."""
    written = ("rows", "rows_added_to", "mariadb_transactions", "kafka_transactions")
    return {name: run.counts[name] * 1e6 / run.messages for name in written}


def _of_counts(run: Run) -> Figures:
    """Return what a peer dropped as late, and how many of its rows differ from the truth, where it counts these."""
    counts = run.counts
    late = {"late_percent": counts["action_late"] / run.messages * 100} if "action_late" in counts else {}
    return {**late, **({"differences": counts["differences"]} if "differences" in counts else {})}


def _mb(mib: float) -> float:
    return mib * _MB_PER_MIB
