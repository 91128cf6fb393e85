"""Compares every row of the database with the log once a second, and measures the dataflow's processes."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import mariadb as driver
import pytest

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient
from settings import Settings
from tests.faults.table.footprint import Footprints
from tests.faults.table.supervised import Supervised
from tests.pipeline import check_snapshot
from tests.support import query
from tests.traffic import Row, Truth, snapshot

Totals = Mapping[Row, tuple[int, int]]

_BOARDS = """\
SELECT length_s, COUNT(DISTINCT visits), COUNT(*)
FROM (SELECT length_s, board, SUM(visits) AS visits FROM window_totals GROUP BY length_s, board) AS boards
GROUP BY length_s"""


def is_reachable(settings: Settings) -> bool:
    """Return whether MariaDB answers; the tests' own queries wait for a minute until it does."""
    try:
        mariadb.connect(Login.admin(settings)).close()
    except (ConnectionLost, Transient):
        return False
    return True


def fallen(before: Totals, after: Totals) -> list[Row]:
    """Return the rows whose duration or visits are less than before, or that are gone."""
    gone = (-1, -1)
    return [
        row
        for row, (duration_s, visits) in before.items()
        if after.get(row, gone)[0] < duration_s or after.get(row, gone)[1] < visits
    ]


class Watcher:
    """What was seen of one scenario: how often every row was compared, and what was wrong."""

    def __init__(self, settings: Settings, truth: Truth, growing: threading.Lock, dataflow: Supervised) -> None:
        self._settings = settings
        self._truth = truth
        self._growing = growing
        self._dataflow = dataflow
        self._totals: Totals = {}
        self._checking = threading.Lock()
        self.footprints = Footprints()
        self.checks = 0
        self.messages = 0
        self.faults: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Compare and measure for as long as this lasts."""
        stop = threading.Event()
        threads = [threading.Thread(target=_every_second, args=(stop, each)) for each in (self._compare, self._measure)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def check(self) -> None:
        """Compare every row, the counts, the boards with each other; no total has fallen."""
        with self._checking:
            progress, totals = snapshot(self._settings)
            with self._growing:
                messages = check_snapshot(progress, totals, self._truth)
            lower = fallen(self._totals, totals)
            assert not lower, f"{len(lower)} totals have fallen, such as {lower[:3]}"
            assert messages >= self.messages, f"{messages} counted, {self.messages} before"
            by_board = query(self._settings, _BOARDS)
            assert all(row[1:] == (1, 2) for row in by_board), by_board
            self._totals, self.messages = totals, messages
            self.checks += 1

    def _compare(self) -> None:
        if not is_reachable(self._settings):
            return
        try:
            self.check()
        except AssertionError as error:
            self.faults.append(str(error)[:500])
        except (driver.Error, ConnectionLost, Transient, pytest.fail.Exception):
            return  # it became unavailable meanwhile: nothing can be compared

    def _measure(self) -> None:
        with suppress(AssertionError):  # a scenario has stopped it
            if self._dataflow.owns(self._settings.visits_partitions):
                self.footprints.sample(self._dataflow.workers)


def _every_second(stop: threading.Event, what: Callable[[], None]) -> None:
    while not stop.wait(1.0):
        what()
