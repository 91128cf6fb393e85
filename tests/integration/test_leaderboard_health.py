"""How `python -m leaderboard` holds on: its heartbeat, a database that falls silent, a reader that dies."""

import signal
import time
from itertools import islice, pairwise
from pathlib import Path

import pytest

from settings import Settings
from tests.browser.server import Visits, book, now, serving
from tests.integration.test_leaderboard_web import listening, until
from tests.support import query, wait_until
from tests.way import Way


def test_a_stream_has_a_heartbeat(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """While nothing changes a status comes every 5 s all the same, and no boards."""
    book(settings, Visits(now(), "FAQ", "Peru", 10))
    with serving(environment, tmp_path) as board, listening(board, "?range=all") as events:
        until(events, "boards")
        moments = [(event["event"], time.monotonic()) for event in islice(events, 5)]
    names, times = zip(*moments, strict=True)
    assert set(names) == {"status"}
    assert max(later - earlier for earlier, later in pairwise(times)) < 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_5_s_when_mariadb_never_answers(
    number: signal.Signals, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """The server keeps the connection and falls silent: the status says since when, and the end waits for nobody."""
    way = Way(settings.mariadb_host, settings.mariadb_port)
    with serving(environment | {"MARIADB_PORT": str(way.port)}, tmp_path) as board:
        way.hush()
        wait_until(lambda: way.swallowed, deadline_s=20, what="a question without an answer")
        status = wait_until(
            lambda: (said := board.get("/api/v1/status").json)["state"] == "away" and said, deadline_s=10, what="away"
        )
        assert "MariaDB has not answered since " in status["why"]
        began = time.monotonic()
        assert board.end(number) == 0
        assert time.monotonic() - began < 5
        assert "Traceback" not in board.said()
    way.cut()


def test_it_ends_when_its_reader_dies(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """A page whose figures nobody reads any more is of no use: exit code 70, which a restart may mend."""
    with serving(environment, tmp_path) as board:
        query(settings, "UPDATE pipeline SET window_lengths_s = 'x'")
        assert board.process.wait(10) == 70
        assert "the reader of MariaDB has ended; its reason is above" in board.said()
        assert "ValueError" in board.said()
