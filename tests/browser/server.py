"""The leaderboard as its users run it: a process that serves the page of one test's database."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any, NamedTuple

from clients import mariadb
from clients.mariadb import Login
from ops.servers.processes import free_port
from ops.servers.software import ROOT
from settings import Settings
from tests.support import process_environment, wait_until

LENGTHS_S = (5, 60, 3600, 86_400)

_ADD = (
    "INSERT INTO window_totals VALUES (?, FROM_UNIXTIME(?), ?, ?, ?, ?) "
    "ON DUPLICATE KEY UPDATE duration_s = duration_s + VALUES(duration_s), visits = visits + VALUES(visits)"
)
_MOVE = (
    "UPDATE progress SET messages = messages + ?, visits = visits + ?, next_offset = next_offset + ?, "
    "max_visit_date = GREATEST(COALESCE(max_visit_date, ?), ?) WHERE kafka_partition = 0"
)


class Visits(NamedTuple):
    """A number of equal visits of one moment; `duration_s` is their total."""

    at: datetime
    action: str
    country: str
    duration_s: int
    visits: int = 1


def add_visits(settings: Settings, *added: Visits) -> None:
    """Count visits as the dataflow does: totals of every window and progress, in one transaction."""
    sums: dict[tuple[int, int, str, str], list[int]] = {}
    for at, action, country, duration_s, visits in added:
        for length_s in LENGTHS_S:
            start_s = int(at.timestamp()) // length_s * length_s
            for board, entry in (("action", action), ("country", country)):
                total = sums.setdefault((length_s, start_s, board, entry), [0, 0])
                total[0] += duration_s
                total[1] += visits
    visits = sum(one.visits for one in added)
    latest = max(one.at for one in added).replace(tzinfo=None)
    connection = mariadb.connect(Login.admin(settings)._replace(database=settings.mariadb_database))
    cursor = connection.cursor()
    cursor.executemany(_ADD, [(*key, *total) for key, total in sums.items()])
    cursor.execute(_MOVE, (visits, visits, visits, latest, latest))
    connection.commit()
    connection.close()


def now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


class Response(NamedTuple):
    """A response of the server."""

    code: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Board:
    """One run of `python -m leaderboard`."""

    def __init__(self, environment: Mapping[str, str], log: Path, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "leaderboard"],
                cwd=ROOT,
                env=process_environment({**environment, "BOARD_PORT": str(port)}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def get(self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Response:
        """Return the response to a request, whatever its code."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        with closing(connection):
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())

    def wait_until_ready(self, path: str = "/readyz") -> None:
        """Wait until it serves, and has figures."""

        def ready() -> bool:
            assert self.process.poll() is None, self.output()
            try:
                return self.get(path).code == 200
            except OSError:
                return False

        wait_until(ready, deadline_s=90, what=f"{path} of the leaderboard is 200; its output: {self.output()}")

    def output(self) -> str:
        """Return what it has written to standard output and error."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(10)


@contextmanager
def serving(environment: Mapping[str, str], folder: Path, *, port: int = 0, ready: str = "/readyz") -> Iterator[Board]:
    """Run the leaderboard for as long as this lasts."""
    board = Board(environment, folder / "leaderboard.log", port or free_port())
    try:
        board.wait_until_ready(ready)
        yield board
    finally:
        board.process.kill()
        board.process.wait()
