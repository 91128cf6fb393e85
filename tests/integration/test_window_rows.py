"""Dates strewn over centuries make a row for every visit: there is a warning, then an end, at a limit of rows."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ops.servers import ROOT
from process.errors import ExitCode
from settings import Settings
from sources.window_rows import WindowRows
from tests.pipeline import run_to_end
from tests.support import process_environment, produce, query

VISITS = 3000
ROWS = 2 * 3 * VISITS  # two boards; windows of 5 s, a minute and an hour of its own for every visit
LENGTHS = "5,60,3600"


@pytest.fixture
def rows(settings: Settings, environment: dict[str, str], tmp_path: Path) -> int:
    """Count one visit every two weeks over more than a century; return InnoDB's estimate of the rows."""
    first = datetime(1975, 1, 1, tzinfo=UTC)
    dates = [first + timedelta(days=14 * number, hours=number) for number in range(VISITS)]
    visit = {"country": "USA", "lastAction": "CATALOG", "duration": 1}
    messages = [
        (number % 4, msgspec.json.encode({"visitDate": date.isoformat()} | visit)) for number, date in enumerate(dates)
    ]
    produce(settings, messages)
    run_to_end(environment, tmp_path)
    query(settings, "ANALYZE TABLE window_totals")
    assert query(settings, "SELECT COUNT(*) FROM window_totals") == [(ROWS,)]
    ((estimate,),) = query(
        settings,
        "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'window_totals'",
        (settings.mariadb_database,),
    )
    assert ROWS / 2 < estimate < 2 * ROWS
    return int(estimate)


@pytest.mark.environment(WINDOW_LENGTHS_S=LENGTHS)
def test_the_limit_of_rows(
    settings: Settings, environment: dict[str, str], rows: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Silence below half of it, a warning from there on; at the limit the dataflow ends with one message."""

    def found(limit: int) -> tuple[str | None, list[str]]:
        caplog.clear()
        watch = WindowRows(Settings.from_environment(environment | {"MAX_WINDOW_ROWS": str(limit)}))
        fatal = watch.too_many()
        assert watch.too_many() is None, "once a minute"
        assert fatal is None or fatal.code == ExitCode.CONFIG
        return fatal.message if fatal else None, caplog.messages

    where = f"window_totals of database {settings.mariadb_database!r} has about {rows} rows"
    warning = f"{where}; the dataflow ends at MAX_WINDOW_ROWS, which is "
    error = f"{where}, but MAX_WINDOW_ROWS is {rows}: look for visits with wrong dates"
    assert found(2 * rows + 1) == (None, [])
    assert found(2 * rows) == (None, [f"{warning}{2 * rows}"])
    assert found(rows + 1) == (None, [f"{warning}{rows + 1}"])
    message, logged = found(rows)
    assert (str(message).startswith(error), logged) == (True, [])

    done = subprocess.run(
        [sys.executable, "-m", "bytewax.run", "dataflow:flow"],
        cwd=ROOT,
        env=process_environment(environment | {"MAX_WINDOW_ROWS": str(rows)}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ExitCode.CONFIG
    assert error in done.stderr.splitlines()[-1]


def test_an_unavailable_server_is_no_limit(caplog: pytest.LogCaptureFixture) -> None:
    """How long to wait for it is not this watch's decision."""
    assert WindowRows(Settings(mariadb_port=9)).too_many() is None
    assert caplog.messages[0].startswith("the size of window_totals is unknown: MariaDB at 127.0.0.1:9 as ")
