"""The pace of a replay: the recorded one, without waits that nobody would wait."""

from fractions import Fraction

import pytest

from simulate.pace import Pace

NOON_MS = 1_767_268_800_000
YEARS_MS = 36 * 365 * 86_400_000


def _due(offsets_ms: list[int], *, speed: str = "1", max_gap_s: int = 60) -> list[float]:
    pace = Pace(Fraction(speed), Fraction(max_gap_s), "visits.ndjson")
    return [pace.due_s(NOON_MS + offset_ms) for offset_ms in offsets_ms]


@pytest.mark.parametrize(
    ("offsets_ms", "due_s"),
    [
        ([0, 1000, 61_000], [0, 1, 61]),
        ([0, 1000, 61_001], [0, 1, 61]),
        ([0, YEARS_MS, YEARS_MS + 1000], [0, 60, 61]),
        ([0, 1000, 500, 2000], [0, 1, 1, 2]),
        ([0, -3_600_000, 1000], [0, 0, 60]),  # one visit cannot show whether the first or the second date is wrong
        ([0, 1000, -3_600_000, 2000], [0, 1, 1, 2]),
        ([0, 1000, YEARS_MS, 2000, 3000], [0, 1, 61, 62, 63]),
        ([YEARS_MS, 0, 1000, 2000], [0, 0, 1, 2]),
        ([0, YEARS_MS, 2 * YEARS_MS, 2 * YEARS_MS + 1], [0, 60, 120, 120.001]),
    ],
)
def test_a_wait_is_never_longer_than_the_longest(offsets_ms: list[int], due_s: list[float]) -> None:
    """And one wrong date neither stops the pace nor makes what follows come at once."""
    assert _due(offsets_ms) == due_s


def test_the_longest_wait_is_real_time_at_any_speed() -> None:
    """At speed 60 a minute of event time is a second, and 5 s are 5 minutes."""
    assert _due([0, 60_000, 400_000], speed="60", max_gap_s=5) == [0, 1, 6]
    assert _due([0, 10_000, 400_000], speed="0.5", max_gap_s=15) == [0, 15, 30]


def test_the_first_shortened_wait_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """Once, with its length and the option."""
    _due([0, YEARS_MS, 3 * YEARS_MS])
    assert capsys.readouterr().err == (
        "simulate: --replay visits.ndjson: before visit 2 the dates jump by 13,140 days: "
        "longer waits than 60 s are shortened (--max-gap)\n"
    )
