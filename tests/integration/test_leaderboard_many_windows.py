"""The boards of a database that has counted for weeks: read from few rows, and checked within seconds."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clients import mariadb
from clients.mariadb import Login
from leaderboard.boards import read_totals
from leaderboard.ranges import RANGES, moment_of, seconds_of
from leaderboard.readings import RangeReader
from leaderboard.two_way import TwoWayCheck
from settings import Settings
from tests.browser.server import serving
from tests.support import query, wait_until

LATEST = datetime(2026, 11, 20, 12, tzinfo=UTC)
WINDOWS = {5: 300_000, 60: 25_000, 3600: 417, 86_400: 18}
MOST_ROWS = 6000
_FILL = """
INSERT INTO window_totals
SELECT {length_s}, '{latest:%Y-%m-%d %H:%M:%S}' - INTERVAL seq * {length_s} SECOND, '{board}', '{entry}', 40, 2
FROM seq_0_to_{last}
"""


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A database of 17 days with visits in every window."""
    for length_s, windows in WINDOWS.items():
        latest = moment_of(seconds_of(LATEST) // length_s * length_s)
        for board, entry in (("action", "FAQ"), ("country", "Peru")):
            names = {"length_s": length_s, "latest": latest, "board": board, "entry": entry, "last": windows - 1}
            query(settings, _FILL.format(**names))
    query(
        settings,
        "UPDATE progress SET messages = 9, visits = 9, max_visit_date = ? WHERE kafka_partition = 0",
        (LATEST.replace(tzinfo=None),),
    )
    return settings


@pytest.fixture
def cursor(filled: Settings) -> Iterator[Any]:
    """A cursor of the leaderboard's own user."""
    with closing(mariadb.connect(Login.reader(filled))) as connection:
        yield connection.cursor()


def _rows_read(cursor: Any) -> int:
    """Return how many rows this connection has read so far, by key or by scan."""
    cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(number) for name, number in cursor.fetchall() if name != "Handler_read_rnd_deleted")


def test_each_range_is_read_from_few_rows(cursor: Any) -> None:
    """Boards, the period before, trends and the series: never a scan of all windows of 5 seconds."""
    totals = read_totals(cursor)
    for range_name in RANGES:
        before = _rows_read(cursor)
        reading = RangeReader().read(cursor, range_name, totals)
        read = _rows_read(cursor) - before
        print(f"{range_name}: {read} rows read of {2 * sum(WINDOWS.values())}")
        assert reading.boards["action"].visits == reading.boards["country"].visits > 0
        assert read < MOST_ROWS, range_name


def test_a_wrong_recent_window_is_found_by_the_first_poll(filled: Settings, cursor: Any) -> None:
    """Each length is checked from its latest window back."""
    latest = (LATEST.replace(tzinfo=None),)
    wrong = "UPDATE window_totals SET visits = 3 WHERE length_s = 5 AND board = 'country' AND window_start = ?"
    query(filled, wrong, latest)
    check = TwoWayCheck()
    check.step(cursor, read_totals(cursor))
    assert check.found.state == "different"
    assert check.found.difference
    assert (check.found.difference["length_s"], check.found.difference["window_start"]) == (5, LATEST)


def test_a_poll_is_bounded_and_a_pass_is_short(cursor: Any) -> None:
    """No poll reads more than a part of the windows; all polls together read each window about once."""
    check, polls = TwoWayCheck(), []
    totals = read_totals(cursor)
    while check.found.state == "unchecked":
        before = _rows_read(cursor)
        check.step(cursor, totals)
        polls.append(_rows_read(cursor) - before)
    print(f"{len(polls)} polls, {max(polls)} rows at most, {sum(polls)} in all")
    rows = 2 * sum(WINDOWS.values())
    assert (check.found.state, check.found.windows) == ("equal", sum(WINDOWS.values()))
    assert max(polls) < rows / 2
    assert rows <= sum(polls) < 3 * rows


def test_the_badge_is_green_soon(filled: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """17 days are checked within half a minute, beside everything else that the page reads."""
    with serving(environment, tmp_path) as board:
        wait_until(
            lambda: board.get("/api/v1/status").json["two_way_sum"]["state"] == "equal", deadline_s=30, what="equal"
        )
        assert board.get("/api/v1/status").json["two_way_sum"]["windows"] == sum(WINDOWS.values())
