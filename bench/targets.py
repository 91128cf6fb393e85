"""What the benchmarks must reach, and what was reached: one row each."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.figures import Spread, spread_of
from bench.results import Results

_Values = Callable[[Results], Sequence[float]]


class Target(NamedTuple):
    """A figure of each round, and what its median must be: at least `bound`, or at most.

    `cases` are those that it is taken from, the one to explain a miss first; `unit` is % or follows a space.
    """

    what: str
    cases: tuple[str, ...]
    figure: str
    values: _Values
    at_least: bool
    bound: float
    unit: str = ""


class Reached(NamedTuple):
    """A target, its spread over the rounds, and whether the median meets it; None where it was not measured."""

    target: Target
    spread: Spread | None

    @property
    def met(self) -> bool | None:
        """Whether the median is within the bound."""
        if self.spread is None:
            return None
        middle, bound = self.spread.middle, self.target.bound
        return middle >= bound if self.target.at_least else middle <= bound

    @property
    def missed_by(self) -> float | None:
        """By how much of the bound it is missed: 0.1 is a tenth; None where it is met or was not measured."""
        if self.spread is None or self.met:
            return None
        return abs(self.spread.middle - self.target.bound) / self.target.bound


def reached(results: Results) -> list[Reached]:
    """Return every target with what was reached."""
    return [Reached(target, spread_of(target.values(results))) for target in TARGETS]


def _ratio(what: str, over: str, under: str, figure: str, at_least: float) -> Target:
    return Target(what, (over, under), figure, lambda found: found.ratios(over, under, figure), True, at_least)


def _ratio_at_most(what: str, over: str, under: str, figure: str, at_most: float) -> Target:
    return Target(what, (over, under), figure, lambda found: found.ratios(over, under, figure), False, at_most)


def _at_most(what: str, case: str, figure: str, bound: float, unit: str) -> Target:
    def values(found: Results) -> Sequence[float]:
        result = found.case(case)
        return result.values(figure) if result else ()

    return Target(what, (case,), figure, values, False, bound, unit)


TARGETS = (
    _ratio("one process ÷ the floor with cart lines, visits/s", "pipeline_1", "floor_carts", "visits_per_s", 0.7),
    _ratio("one process ÷ Bytewax's own operators, visits/s", "pipeline_1", "stock", "visits_per_s", 4),
    _ratio("two processes ÷ Flink SQL, visits/s", "pipeline_2", "flink", "visits_per_s", 1.4),
    _ratio_at_most("two processes ÷ Flink SQL, CPU a visit", "pipeline_2", "flink", "cpu_us", 0.5),
    _at_most("latency p50 at 1,000 visits/s", "latency_1000", "p50_ms", 10, " ms"),
    _at_most("latency p50 at 20,000 visits/s", "latency_20000", "p50_ms", 15, " ms"),
    _at_most("latency p99 at 20,000 visits/s", "latency_20000", "p99_ms", 30, " ms"),
    _at_most("latency p99 at 100,000 visits/s", "latency_100000", "p99_ms", 80, " ms"),
    _at_most("commits a second at 1,000 visits/s", "latency_1000", "commits_per_s", 280, ""),
    _at_most("commits a second at 20,000 visits/s", "latency_20000", "commits_per_s", 350, ""),
    _at_most("first row, 4 partitions", "startup_4", "first_row_s", 1.5, " s"),
    _at_most("first row, 64 partitions", "startup_64", "first_row_s", 4, " s"),
    _at_most("idle CPU, 4 partitions, of one core", "idle", "cpu_percent", 2.4, " %"),
    _ratio_at_most("memory, 32 ÷ 2 million visits", "visits_huge", "base", "peak_mb", 1.1),
    _at_most("memory, 4 partitions, 32 million visits", "visits_huge", "peak_mb", 200, " MB"),
    _at_most("memory, 64 partitions", "partitions_64", "peak_mb", 400, " MB"),
    _at_most("memory, 2 GB of compressed junk", "junk", "peak_mb", 700, " MB"),
    _ratio_at_most("time, 64 ÷ 4 partitions", "partitions_64", "base", "seconds", 1.3),
    _ratio_at_most("time, shuffled over one day ÷ in order", "shuffled", "base", "seconds", 2.5),
    _ratio_at_most("time, 5,000 ÷ 12 countries", "countries_5000", "countries_12", "seconds", 2),
)
