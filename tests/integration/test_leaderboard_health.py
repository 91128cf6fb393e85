"""How `python -m leaderboard` stays healthy: its heartbeat, a database that stops responding, a poller that dies."""

import signal
import time
from itertools import islice, pairwise
from pathlib import Path

import pytest

from settings import Settings
from tests.browser.server import Visits, add_visits, now, serving
from tests.integration.test_leaderboard_web import listening, until
from tests.proxy import Proxy
from tests.support import query, wait_until


def test_a_stream_has_a_heartbeat(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """While nothing changes a status still comes every 5 s, and no boards."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 10))
    with serving(environment, tmp_path) as board, listening(board, "?range=all") as events:
        until(events, "boards")
        moments = [(event["event"], time.monotonic()) for event in islice(events, 5)]
    names, times = zip(*moments, strict=True)
    assert set(names) == {"status"}
    assert max(later - earlier for earlier, later in pairwise(times)) < 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_5_s_when_mariadb_never_responds(
    number: signal.Signals, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """The server keeps the connection and stops responding: the status shows since when, and the end does not wait."""
    proxy = Proxy(settings.mariadb_host, settings.mariadb_port)
    with serving(environment | {"MARIADB_PORT": str(proxy.port)}, tmp_path) as board:
        proxy.stall()
        wait_until(lambda: proxy.dropped, deadline_s=20, what="a query without a response")
        status = wait_until(
            lambda: (status := board.get("/api/v1/status").json)["state"] == "away" and status,
            deadline_s=10,
            what="away",
        )
        assert "MariaDB has not responded since " in status["why"]
        began = time.monotonic()
        assert board.end(number) == 0
        assert time.monotonic() - began < 5
        assert "Traceback" not in board.output()
    proxy.interrupt()


def test_it_ends_when_its_poller_dies(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """A page whose figures are no longer read is useless: exit code 70, which a restart may cure."""
    with serving(environment, tmp_path) as board:
        query(settings, "UPDATE pipeline SET window_lengths_s = 'x'")
        assert board.process.wait(10) == 70
        assert "the thread that reads MariaDB has ended; the error is logged above" in board.output()
        assert "ValueError" in board.output()
