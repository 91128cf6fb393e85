"""Visits of hundreds of thousands of names: every range still answers, and none takes down another."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clients import mariadb
from clients.mariadb import Login
from leaderboard import background, poller
from leaderboard.background import BackgroundReader, RangeFailure, SlowReading
from leaderboard.boards import read_totals
from leaderboard.poller import Poller, PollFailure, PollResult, Published
from leaderboard.ranges import RANGES
from leaderboard.two_way import TwoWayCheck
from settings import Settings
from tests.browser.server import LENGTHS_S, Board, Visits, add_visits, serving
from tests.support import query, wait_until

LATEST = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = LATEST - timedelta(days=19)
NAMES = 400_000
RECENT = 50_000
PART = 250_000  # rows a statement
DEADLINE_S = 120

# The later a name, the longer its visits; every board has all names, so the two totals of a window are equal.
_FILL = """
INSERT INTO window_totals
SELECT {length_s}, FROM_UNIXTIME({start_s}), '{board}', CONCAT('name ', seq), seq, 2 FROM seq_{first}_to_{last}
"""


def _fill(settings: Settings, at: datetime, lengths_s: tuple[int, ...], names: int) -> None:
    with closing(mariadb.connect(Login.admin(settings)._replace(database=settings.mariadb_database))) as connection:
        cursor = connection.cursor()
        for length_s in lengths_s:
            start_s = int(at.timestamp()) // length_s * length_s
            for board in ("action", "country"):
                for first in range(1, names, PART):
                    last = min(names, first + PART - 1)
                    cursor.execute(
                        _FILL.format(length_s=length_s, start_s=start_s, board=board, first=first, last=last)
                    )
                    connection.commit()


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A day of 400,000 names, and 50,000 of them in the latest windows."""
    _fill(settings, OLD, (86_400,), NAMES)
    _fill(settings, LATEST, LENGTHS_S, RECENT)
    visits = 2 * (NAMES + RECENT)
    counted = "UPDATE progress SET messages = ?, visits = ?, max_visit_date = ? WHERE kafka_partition = 0"
    query(settings, counted, (visits, visits, LATEST.replace(tzinfo=None)))
    return settings


@pytest.fixture
def board(filled: Settings, environment: dict[str, str], tmp_path: Path) -> Iterator[Board]:
    """The leaderboard of that database."""
    with serving(environment, tmp_path) as board:
        yield board


def _sum(names: int) -> int:
    return names * (names + 1) // 2


def _answer(board: Board, path: str) -> Any:
    """Return the response once there is one; meanwhile the status is live."""

    def answer() -> Any:
        response = board.get(path)
        assert response.code in {200, 503}
        assert board.get("/api/v1/status").json["state"] == "live", board.output()
        return response.json if response.code == 200 else None

    return wait_until(answer, deadline_s=DEADLINE_S, what=lambda: f"{path}; its output: {board.output()}")


def _resident_kb(pid: int) -> int:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines() if "VmRSS" in line]
    return int(line.split()[1])


def test_many_names_stop_neither_a_range_nor_the_status(board: Board) -> None:
    """The first entries and the totals of every range are exact; the server's memory does not grow with the names."""
    before_kb = _resident_kb(board.process.pid)
    for name in ("country", "action"):
        found = _answer(board, f"/api/v1/boards/{name}?range=all&limit=2")
        total_s = _sum(NAMES) + _sum(RECENT)
        assert (found["entries_total"], found["duration_s"]) == (NAMES, total_s)
        assert found["visits"] == 2 * (NAMES + RECENT)
        assert [(at["rank"], at["entry"], at["duration_s"], at["visits"]) for at in found["entries"]] == [
            (1, f"name {NAMES}", NAMES, 2),
            (2, f"name {NAMES - 1}", NAMES - 1, 2),
        ]
        assert found["entries"][0]["share"] == NAMES / total_s
    for range_name in RANGES[:-1]:
        found = _answer(board, f"/api/v1/boards/action?range={range_name}&limit=1000")
        assert (found["entries_total"], found["duration_s"], found["visits"]) == (RECENT, _sum(RECENT), 2 * RECENT)
        rows = [(at["rank"], at["entry"], at["duration_s"], at["visits"]) for at in found["entries"]]
        assert rows == [(rank, f"name {RECENT + 1 - rank}", RECENT + 1 - rank, 2) for rank in range(1, 1001)]
    grown_kb = _resident_kb(board.process.pid) - before_kb
    print(f"{grown_kb} kB more")
    assert grown_kb < 60_000


def test_ranks_of_the_period_before_are_exact_far_down(settings: Settings, environment: Any, tmp_path: Path) -> None:
    """An entry that was last of 50,000 has that rank; one that is new has none."""
    _fill(settings, LATEST - timedelta(minutes=5), (5, 60, 3600, 86_400), RECENT)
    add_visits(settings, Visits(LATEST, "name 1", "name 2", 7), Visits(LATEST, "new", "new", 5))
    with serving(environment, tmp_path) as board:
        snapshot = _answer(board, "/api/v1/snapshot?range=5m")["boards"]
    ranks = {
        name: {at["entry"]: at["previous_rank"] for at in snapshot[name]["entries"]} for name in ("action", "country")
    }
    assert ranks == {
        "action": {"name 1": RECENT, "new": None},
        "country": {"name 2": RECENT - 1, "new": None},
    }


class _Published(list[Published]):
    """What a poller has published."""

    def of(self, kind: type) -> Any:
        """Return the latest of a kind, if there is one."""
        return next((one for one in reversed(self) if isinstance(one, kind)), None)


@pytest.fixture
def published(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Published]:
    """A poller of two ranges, one of which has 50,000 names and no time at all."""
    _fill(settings, OLD, (86_400,), RECENT)
    add_visits(settings, Visits(LATEST, "FAQ", "Peru", 7))
    monkeypatch.setattr(poller, "RANGE_S", 0.02)
    monkeypatch.setattr(background, "STATEMENT_S", 0.01)
    published = _Published()
    running = Poller(Login.reader(settings), lambda: {"all": True, "5m": True}, published.append)
    running.start()
    yield published
    running.stop(5)


def test_a_range_that_is_too_slow_fails_alone(published: _Published, settings: Settings) -> None:
    """It states why; the polls continue, and the other range shows what is counted."""
    failure: RangeFailure = wait_until(lambda: published.of(RangeFailure), deadline_s=30, what="a failure")
    assert failure.range == "all"
    assert "error 1969" in failure.why
    add_visits(settings, Visits(LATEST, "FAQ", "Peru", 5))

    def counted() -> bool:
        result: PollResult = published.of(PollResult)
        return any(reading.range == "5m" and reading.boards["country"].duration_s == 12 for reading in result.ranges)

    wait_until(counted, deadline_s=30, what="12 s in Peru")
    assert published.of(PollFailure) is None
    assert published.of(SlowReading) is None


def test_a_range_that_has_become_fast_returns_to_the_poll(settings: Settings) -> None:
    """Once read in the background, it is read with the others again."""
    add_visits(settings, Visits(LATEST, "FAQ", "Peru", 7))
    published = _Published()
    reader = BackgroundReader(Login.reader(settings), lambda: {"all": True}, published.append)
    reader.add("all")
    assert reader.slow("all")
    reader.start()
    wait_until(lambda: not reader.slow("all"), deadline_s=30, what="read fast")
    assert published.of(SlowReading).reading.boards["country"].duration_s == 7
    reader.stop(5)


def test_a_failed_step_of_the_two_way_sum_skips_no_window(settings: Settings) -> None:
    """What was interrupted is checked again, and the wrong window is found."""
    add_visits(settings, *(Visits(LATEST - timedelta(seconds=5 * at), "FAQ", "Peru", 1) for at in range(100)))
    query(settings, "UPDATE window_totals SET visits = 9 WHERE length_s = 5 AND board = 'action' AND window_start = ?",
          (LATEST.replace(tzinfo=None),))  # fmt: skip
    with closing(mariadb.connect(Login.reader(settings))) as connection:
        cursor, check = connection.cursor(), TwoWayCheck()
        totals = read_totals(cursor)
        with pytest.raises(mariadb.Transient), mariadb.translated("the check"):
            check.step(_Interrupted(cursor), totals)
        while check.found.state == "unchecked":
            check.step(cursor, totals)
    assert check.found.difference
    assert check.found.difference["window_start"] == LATEST


class _Interrupted:
    """A cursor whose sums take longer than they may: MariaDB itself ends them."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.fetchone = cursor.fetchone

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> None:
        """Execute it, but a sum together with a wait."""
        if "surplus" in statement:
            statement, parameters = "SET STATEMENT max_statement_time = 0.01 FOR SELECT SLEEP(10) FROM progress", ()
        self._cursor.execute(statement, parameters)
