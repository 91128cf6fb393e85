"""The leaderboard's memory: a poller that runs for months keeps nothing of what it has fetched."""

import gc
from collections.abc import Iterator

import psutil
import pytest

from clients.mariadb import Login
from leaderboard.boards import BoardReader
from settings import Settings
from tests.support import query

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")

ENTRIES = 1_000  # the most that a board has
POLLS = 200
GROWTH_BYTES = 3 * 1024 * 1024  # a connector that leaked 25 bytes a value would add 20 MB


@pytest.fixture
def reader(settings: Settings) -> Iterator[BoardReader]:
    """Reads 1,000 countries of long names."""
    row = "SELECT 86400, '2026-11-23', 'country', RPAD(seq, 64, 'x'), seq, 1 FROM seq_1_to_1000"
    query(settings, "INSERT INTO window_totals " + row)
    reader = BoardReader(Login.reader(settings))
    yield reader
    reader.close()


def test_memory_stays_flat_over_200000_fetched_rows(reader: BoardReader) -> None:
    """After a warm-up, which fills the allocator's own reserves."""
    process = psutil.Process()

    def poll(times: int) -> int:
        for _ in range(times):
            assert len(reader.read("all").boards["country"].entries) == ENTRIES
        gc.collect()
        return int(process.memory_info().rss)

    before = poll(20)
    growth = poll(POLLS) - before
    print(f"{POLLS * ENTRIES} rows fetched: {growth / 1024:.0f} KiB more")
    assert growth < GROWTH_BYTES
