"""The leaderboard's ranges, ranks and texts."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.boards import Boards
from leaderboard.display import View, duration_text, plain, shown
from leaderboard.ranges import RANGES, Run, moment_of, runs_of, seconds_of, span_of
from leaderboard.top import Entry, Top, ranked
from tests.unit.samples import SHOWN

LENGTHS_S = (5, 60, 3600, 86_400)
AS_OF = datetime(2026, 11, 23, 20, 1, 7, 500_000, tzinfo=UTC)


def _span(range_name: str) -> tuple[str, str]:
    start, end = map(moment_of, span_of(range_name, AS_OF, LENGTHS_S))
    return f"{start:%d %H:%M:%S}", f"{end:%d %H:%M:%S}"


def test_a_range_ends_with_the_window_of_its_last_visit() -> None:
    """Ranges slide by the shortest window; today begins at midnight UTC."""
    assert _span("window") == ("23 20:01:05", "23 20:01:10")
    assert _span("1m") == ("23 20:00:10", "23 20:01:10")
    assert _span("5m") == ("23 19:56:10", "23 20:01:10")
    assert _span("1h") == ("23 19:01:10", "23 20:01:10")
    assert _span("today") == ("23 00:00:00", "23 20:01:10")


def test_a_range_is_made_of_the_longest_windows_that_fit() -> None:
    """An hour is 59 windows of a minute and 12 of 5 seconds; everything is whole days."""
    start_s, end_s = span_of("1h", AS_OF, LENGTHS_S)
    minute_s = seconds_of(datetime(2026, 11, 23, 20, 1, tzinfo=UTC))
    assert runs_of(start_s, end_s, LENGTHS_S) == [
        Run(5, start_s, minute_s - 59 * 60),
        Run(60, minute_s - 59 * 60, minute_s),
        Run(5, minute_s, end_s),
    ]
    assert {run.length_s for run in runs_of(*span_of("all", AS_OF, LENGTHS_S), LENGTHS_S)} == {86_400}


@given(
    st.sampled_from([(5,), (5, 60, 3600, 86_400), (7, 21, 35), (1, 10, 15), (300, 3600)]),
    st.sampled_from(RANGES),
    st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_runs_cover_a_range_without_gap_or_overlap(
    lengths_s: tuple[int, ...], range_name: str, as_of: datetime
) -> None:
    """Whatever the window lengths, each second of a range is read once, from few windows."""
    start_s, end_s = span_of(range_name, as_of, lengths_s)
    runs = runs_of(start_s, end_s, lengths_s)
    assert [run.start_s for run in runs] == [start_s, *(run.end_s for run in runs[:-1])]
    assert runs[-1].end_s == end_s
    assert all(not run.start_s % run.length_s and not run.end_s % run.length_s for run in runs)
    assert len(runs) < 2 * len(lengths_s)


def test_shares_are_of_the_whole_board() -> None:
    """Of all entries, not only of the first ones; a board of no seconds has none."""
    assert ranked([("ORDER", 30, 2), ("FAQ", 10, 5)], 60) == [
        Entry(1, "ORDER", 30, 2, 0.5),
        Entry(2, "FAQ", 10, 5, 10 / 60),
    ]
    assert ranked([("FAQ", 0, 1)], 0) == [Entry(1, "FAQ", 0, 1, 0.0)]


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        *((0, "0s"), (59, "59s"), (60, "1m 00s"), (3599, "59m 59s"), (15_130, "4h 12m"), (274_000, "3d 04h")),
        (86_400_000, "1,000d 00h"),
    ],
)
def test_durations_read_in_two_units(duration_s: int, text: str) -> None:
    """The two largest units that matter."""
    assert duration_text(duration_s) == text


def test_old_boards_are_marked_as_text() -> None:
    """Above the boards, with the reason."""
    action, country = Top([Entry(1, "FAQ", 7, 1, 1.0)], 1, 7, 1), Top([], 0, 0, 0)
    counts: dict[str, Any] = {"messages": 1, "visits": 1, "rejected": 0}
    view = View(
        Boards(
            range="all",
            start=AS_OF,
            end=AS_OF,
            as_of=AS_OF,
            read_at=AS_OF,
            shown=SHOWN,
            boards={"action": action, "country": country},
            **counts,
        )
    )
    assert "old: " not in plain(view, 10)
    lines = plain(view.with_failure("old: MariaDB is unavailable"), 10).splitlines()
    assert lines[1:4] == ["old: MariaDB is unavailable", "", "LAST ACTION (1)"]


def test_names_cannot_control_the_terminal() -> None:
    """Control characters in a name are replaced."""
    assert shown("Côte d'Ivoire [bold]\x9b2J\u202e") == "Côte d'Ivoire [bold]\ufffd2J\ufffd"
