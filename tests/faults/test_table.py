"""The quick rows of the table of faults; all of them: make faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.table.__main__ import run
from tests.faults.table.arena import TableServers
from tests.faults.table.scenarios import SCENARIOS, Scenario


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
