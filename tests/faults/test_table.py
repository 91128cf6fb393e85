"""The quick rows of the table of faults; all of them: make faults."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.faults.table.footprint import FAULT_MAY_ADD, LIFE_MAY_ADD, LONG_SAMPLES, Footprint, Footprints
from tests.faults.table.scenario import Scenario, run
from tests.faults.table.scenarios import SCENARIOS
from tests.faults.table.scenarios.soak import in_random_order
from tests.faults.table.servers import TableServers
from tests.faults.table.watcher import fallen


@pytest.fixture(scope="module")
def table_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TableServers]:
    """Servers behind networks that can be disturbed."""
    servers = TableServers(tmp_path_factory.mktemp("table").resolve())
    yield servers
    servers.delete()


@pytest.mark.parametrize("scenario", [row for row in SCENARIOS if row.quick], ids=lambda row: row.name)
def test_the_promises_hold(scenario: Scenario, table_servers: TableServers, tmp_path: Path) -> None:
    """During the fault and after it, every row equals the log, and every cart is there once, in order."""
    row = run(scenario, table_servers, tmp_path, seed=1)
    assert row.proof
    assert row.checks > 0


def test_every_row_has_a_name_of_its_own() -> None:
    """It is how a row is run alone."""
    names = [row.name for row in SCENARIOS]
    assert len(names) == len(set(names))


class Measured:
    """Processes whose memory in megabytes, threads and descriptors are given, second by second."""

    def __init__(self, *seconds: tuple[float, int, int]) -> None:
        self._seconds = iter(seconds)
        self.process = psutil.Process()
        self.footprints = Footprints(lambda _: Footprint(*next(self._seconds)))

    def sample(self, times: int) -> None:
        for _ in range(times):
            self.footprints.sample([self.process])


def test_growth_over_a_fault_is_found() -> None:
    """From the last sample before it to the last ones after it."""
    measured = Measured((90, 9, 90), (100, 10, 100), (300, 90, 900), (170, 12, 117), (170, 12, 117), (170, 12, 117))
    measured.sample(2)
    measured.footprints.mark_the_fault()
    measured.sample(4)
    grown = measured.footprints.of_the_fault([measured.process])
    assert grown == Footprint(70, 2, 17)
    assert grown.exceeds(FAULT_MAY_ADD)
    assert not Footprint(64, 8, 16).exceeds(FAULT_MAY_ADD)


def test_growth_of_a_replaced_process_is_not_compared() -> None:
    """It was not there before the fault."""
    measured = Measured((100, 10, 100))
    measured.footprints.mark_the_fault()
    measured.sample(1)
    assert measured.footprints.of_the_fault([measured.process]) is None


@pytest.mark.parametrize(
    ("leak_mb", "leak_threads", "leak_descriptors", "found"),
    [(1, 0, 0, True), (0, 1, 0, True), (0, 0, 1, True), (0, 0, 0, False)],
)
def test_what_leaks_over_a_long_life_is_found(
    leak_mb: int, leak_threads: int, leak_descriptors: int, found: bool
) -> None:
    """One megabyte, thread or descriptor a second, of a process that is measured for a minute and a half."""
    measured = Measured(*((100 + s * leak_mb, 10 + s * leak_threads, 100 + s * leak_descriptors) for s in range(90)))
    measured.sample(LONG_SAMPLES - 1)
    assert measured.footprints.of_a_life() is None
    measured.sample(90 - LONG_SAMPLES + 1)
    grown = measured.footprints.of_a_life()
    assert grown is not None
    assert grown.exceeds(LIFE_MAY_ADD) == found


@pytest.mark.parametrize(
    ("after", "found"), [((10, 2), False), ((11, 3), False), ((9, 3), True), ((11, 1), True), (None, True)]
)
def test_a_total_that_falls_is_found(after: tuple[int, int] | None, found: bool) -> None:
    """The duration or the visits of any row, or a row that is gone."""
    row = (5, datetime(2026, 1, 1), "country", "Peru")  # noqa: DTZ001 - as MariaDB's driver returns it
    assert fallen({row: (10, 2)}, {row: after} if after else {}) == ([row] if found else [])


def test_a_soak_has_faults_of_every_kind() -> None:
    """In an order that follows from the seed alone."""
    orders = [list(islice(in_random_order("abcdef", Random(seed)), 12)) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0][:6]) == sorted(orders[0][6:]) == list("abcdef")
