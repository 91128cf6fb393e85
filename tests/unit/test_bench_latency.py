"""The benchmark of latency: which commit ends which visit's latency, and its percentiles."""

import pytest

from bench.latency import latencies_ms, percentile
from bench.producer import Sent
from bench.progress import Advance


def test_a_latency_ends_at_the_first_advance_beyond_the_offset() -> None:
    """next_offset is the first offset that is not counted: the visit at 9 is counted when it is 10."""
    sent = [Sent(0, 8, 1.0), Sent(0, 9, 1.5), Sent(0, 10, 2.0)]
    advances = [Advance(0, 9, 3.0), Advance(0, 10, 4.0), Advance(0, 15, 6.0)]
    assert latencies_ms(sent, advances) == [2000.0, 2500.0, 4000.0]


def test_partitions_are_matched_apart() -> None:
    """The same offset in another partition, which is further, ends nothing."""
    sent = [Sent(0, 5, 1.0), Sent(1, 5, 1.0)]
    advances = [Advance(1, 6, 1.25), Advance(0, 5, 1.5), Advance(0, 6, 1.75)]
    assert latencies_ms(sent, advances) == [250.0, 750.0]


def test_one_advance_ends_the_latencies_of_a_whole_batch() -> None:
    """Each from its own produce."""
    sent = [Sent(2, offset, 1.0 + offset) for offset in range(4)]
    assert latencies_ms(sent, [Advance(2, 4, 5.0)]) == [1000.0, 2000.0, 3000.0, 4000.0]


@pytest.mark.parametrize("advances", [[], [Advance(0, 7, 2.0)], [Advance(1, 8, 2.0)]])
def test_a_visit_that_was_not_seen_committed_has_no_latency(advances: list[Advance]) -> None:
    """The benchmark finds that one is missing, and prints no figures."""
    assert latencies_ms([Sent(0, 7, 1.0)], advances) == []


@pytest.mark.parametrize(
    ("percent", "value"),
    [(1, 10.0), (50, 20.0), (51, 30.0), (75, 30.0), (76, 40.0), (99, 40.0), (100, 40.0)],
)
def test_a_percentile_is_a_value_that_occurred(percent: int, value: float) -> None:
    """The smallest that at least so many percent do not exceed (nearest rank)."""
    assert percentile([10.0, 20.0, 30.0, 40.0], percent) == value


def test_every_percentile_of_one_value_is_that_value() -> None:
    """Also the first."""
    assert [percentile([7.5], percent) for percent in (1, 50, 99, 100)] == [7.5, 7.5, 7.5, 7.5]
