"""Figures of runs, their spread over rounds, and ratios within a round."""

from typing import Any

import pytest

from bench.figures import of_run, of_writes, spread_of, steady
from bench.report import Run
from bench.results import CaseResult, Measurement, Results


def run(messages: int, seconds: float, cpu_s: float, **counts: int) -> Run:
    """Return a run of some size."""
    rest: dict[str, Any] = {"seed": 1, "start": "", "countries": 20, "out_of_order": "", "load_average": 0.0}
    return Run(
        case="case",
        processes=1,
        messages=messages,
        partitions=4,
        seconds=seconds,
        visits_per_s=messages / seconds,
        cpu_s=cpu_s,
        peak_mib=100.0,
        counts=counts,
        cores=2,
        versions={},
        **rest,
    )


def results(**figures: list[float]) -> Results:
    """Return results with one figure, x, of some cases, a value for each round."""
    cases = [
        CaseResult(
            name=name,
            title=name,
            section="floors",
            command="",
            measurements=[
                Measurement(suite="today", round=number, figures={"x": value}, runs=[])
                for number, value in enumerate(values, 1)
            ],
        )
        for name, values in figures.items()
    ]
    return Results(command="", date="today", rounds=1, sizes={}, machine={}, versions={}, cases=cases)


@pytest.mark.parametrize(
    ("values", "spread"),
    [([], None), ([3.0], (3, 3, 3)), ([9.0, 1.0, 2.0], (1, 2, 9)), ([4.0, 1.0], (1, 2.5, 4))],
)
def test_the_middle_is_the_median(values: list[float], spread: tuple[float, ...] | None) -> None:
    """In whatever order the rounds were; of an even number it is between the two in the middle."""
    assert spread_of(values) == spread


def test_steady_leaves_out_what_starting_and_ending_take() -> None:
    """6 million visits in 6 s; the 3 s before them do not count."""
    figures = steady(run(2_000_000, 5.0, 4.0), run(8_000_000, 11.0, 13.0))
    assert figures["visits_per_s"] == 1_000_000
    assert figures["cpu_us"] == pytest.approx(1.5)
    assert (figures["small_s"], figures["large_s"]) == (5.0, 11.0)


@pytest.mark.parametrize("large", [run(8, 4.0, 3.0), run(2, 9.0, 9.0)])
def test_a_steady_rate_that_cannot_be_taken_is_missing(large: Run) -> None:
    """A larger topic that took no longer, or is no larger, gives no rate: neither a negative nor an infinite one."""
    assert {"visits_per_s", "cpu_us"}.isdisjoint(steady(run(2, 5.0, 4.0), large))


def test_what_a_peer_dropped_is_a_share_of_the_visits() -> None:
    """Beside the rows that differ; a case that counts neither has no such figures."""
    figures = of_run(run(1000, 2.0, 1.0, action_late=25, differences=3))
    assert (figures["late_percent"], figures["differences"]) == (2.5, 3)
    assert figures["cpu_us"] == 1000
    assert figures["peak_mb"] == pytest.approx(104.9, abs=0.1)
    assert {"late_percent", "differences"}.isdisjoint(of_run(run(1000, 2.0, 1.0)))


def test_writes_are_for_a_million_visits() -> None:
    """Whatever the size of the run."""
    counts = {"rows": 50, "rows_added_to": 100, "mariadb_transactions": 5, "kafka_transactions": 4}
    assert of_writes(run(500_000, 1.0, 1.0, **counts)) == {name: 2 * number for name, number in counts.items()}


def test_a_ratio_is_taken_within_a_round() -> None:
    """A round that one of them does not have has none."""
    found = results(ours=[10.0, 30.0, 8.0], theirs=[5.0, 10.0])
    assert found.ratios("ours", "theirs", "x") == [2.0, 3.0]
    assert found.ratios("ours", "theirs", "y") == []
    assert found.ratios("ours", "nobody", "x") == []


def test_no_ratio_crosses_two_suites() -> None:
    """What was measured again on another day is not compared with the day before."""
    found, earlier = results(ours=[10.0]), results(ours=[1.0], theirs=[5.0])
    for case in earlier.cases:
        case.measurements = [
            Measurement(suite="yesterday", round=each.round, figures=each.figures, runs=[])
            for each in case.measurements
        ]
    found.keep(earlier)
    assert [case.name for case in found.cases] == ["ours", "theirs"]
    assert found.ratios("ours", "theirs", "x") == []


def test_results_of_other_sizes_are_not_kept() -> None:
    """Nothing of a small suite stays beside that of a large one."""
    found, earlier = results(ours=[10.0]), results(theirs=[5.0])
    earlier.sizes = {"small": 1}
    found.keep(earlier)
    assert [case.name for case in found.cases] == ["ours"]
