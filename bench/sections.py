"""The sections of RESULTS.md: which figures each shows, and which plots."""

from collections.abc import Iterator
from typing import NamedTuple

from bench.charts import Bar, Plot
from bench.figures import Spread, spread_of
from bench.results import CaseResult, Results
from bench.targets import TARGETS


class Column(NamedTuple):
    """A figure and the title of its column."""

    figure: str
    title: str


class Section(NamedTuple):
    """Some cases, by the name that they carry, and how they are shown."""

    name: str
    title: str
    about: str
    columns: tuple[Column, ...]
    plots: tuple[str, ...] = ()


_RATE = Column("visits_per_s", "visits/s")
_CPU = Column("cpu_us", "CPU µs a visit")
_SECONDS = Column("seconds", "seconds")
_PEAK = Column("peak_mb", "peak MB")
_GROWTH_AXIS = "seconds ÷ those of the first row: 4 partitions, 20 countries, dates in order"

SECTIONS = (
    Section(
        "floors",
        "Floors",
        "A plain loop in one Python thread, without an engine, that writes to no server: what the pipeline could reach"
        " at best. Each row also does the work of those above it. Rates are steady: those of the visits between the"
        " small and the large topic, which leaves out starting and ending.",
        (_RATE, _CPU),
        ("throughput", "cpu"),
    ),
    Section(
        "pipeline",
        "The pipeline",
        "From Kafka to committed totals, carts and positions. Rates are steady.",
        (_RATE, _CPU, Column("small_s", "seconds, small"), Column("large_s", "seconds, large"), _PEAK),
    ),
    Section(
        "peers",
        "Peers",
        "The same work on the same topics by other engines. Rates are steady. Late is what a peer dropped because its"
        " watermark had passed; differences are rows that are not what a recount of the topic gives.",
        (_RATE, _CPU, Column("late_percent", "late %"), Column("differences", "differences"), _PEAK),
    ),
    Section(
        "growth",
        "How the cost grows",
        "One process; whole seconds, from the command to its end. The first row has 4 partitions, 20 countries and"
        " dates in order; each other row differs from it in what it names.",
        (_SECONDS, _RATE, _CPU, _PEAK),
        ("growth", "memory"),
    ),
    Section(
        "writes",
        "Rows and transactions",
        "For each million visits: the rows of the database in the end, how often a row was inserted or added to, and"
        " the transactions of both servers.",
        (
            Column("rows", "rows"),
            Column("rows_added_to", "row writes"),
            Column("mariadb_transactions", "MariaDB transactions"),
            Column("kafka_transactions", "Kafka transactions"),
        ),
    ),
    Section(
        "latency",
        "Latency",
        "From produce to the committed row, one process, 4 partitions.",
        (
            *(Column(f"{name}_ms", f"{name} ms") for name in ("p50", "p90", "p99", "max")),
            Column("commits_per_s", "commits/s"),
            Column("transactions_per_s", "Kafka transactions/s"),
            Column("cpu_percent", "CPU %"),
            Column("behind_ms", "producer behind ms"),
        ),
        ("latency",),
    ),
    Section("idle", "Idle", "CPU time of one core while nothing is sent.", (Column("cpu_percent", "CPU %"), _PEAK)),
    Section(
        "startup",
        "Start-up",
        "From the command to the first committed row, and until every partition has been read.",
        (Column("first_row_s", "first row s"), Column("all_partitions_s", "all partitions s"), _PEAK),
    ),
    Section(
        "junk",
        "Highly compressed junk",
        "Messages of 20 MB, which Kafka holds in a few kilobytes each; all are rejected, whole.",
        (_SECONDS, _PEAK),
    ),
)


def plots_of(found: Results) -> list[Plot]:
    """Return the plots for which there are figures."""
    rates = ("floors", "pipeline", "peers")
    groups = ("floor", "pipeline", "peer")
    growth = [Bar(title, spread, 1, limit) for title, spread, limit in _growth(found)]
    plots = [
        Plot("throughput", "Throughput, steady", "visits a second", _bars(found, rates, "visits_per_s"), groups),
        Plot("cpu", "CPU time, all threads", "µs a visit", _bars(found, rates, "cpu_us"), groups),
        Plot(
            "growth",
            "How the time grows",
            _GROWTH_AXIS,
            growth,
        ),
        Plot("memory", "Most memory held", "MB", _bars(found, ("growth", "junk"), "peak_mb", colour=1)),
        Plot("latency", "Latency from produce to the committed row", "ms", _latency(found)),
    ]
    return [plot for plot in plots if plot.bars]


def _bars(found: Results, sections: tuple[str, ...], figure: str, colour: int | None = None) -> list[Bar]:
    return [
        Bar(case.title, spread, sections.index(case.section) if colour is None else colour, _limit(case, figure))
        for case in found.cases
        if case.section in sections and (spread := case.spread(figure))
    ]


def _growth(found: Results) -> Iterator[tuple[str, Spread, float | None]]:
    limits = {"partitions_64": 1.3, "shuffled": 2.5}
    for case in found.cases:
        ratio = spread_of(found.ratios(case.name, "base", "seconds"))
        if case.section == "growth" and ratio and not case.name.startswith(("base", "visits_")):
            yield case.title, ratio, limits.get(case.name)


def _latency(found: Results) -> list[Bar]:
    return [
        Bar(f"{name}, {case.title}", spread, group, _limit(case, f"{name}_ms"))
        for group, name in enumerate(("p50", "p99"))
        for case in found.cases
        if case.section == "latency" and (spread := case.spread(f"{name}_ms"))
    ]


def _limit(case: CaseResult, figure: str) -> float | None:
    """Return the target for a figure of a single case."""
    return next((each.bound for each in TARGETS if each.cases == (case.name,) and each.figure == figure), None)
