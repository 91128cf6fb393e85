"""Limits of connections and of open files: named before any partition is taken, or raised."""

import subprocess
import sys

import pytest

from clients import kafka
from partition.provisioned import compare
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.support import process_environment, produce, query

COMMAND = (sys.executable, "-m", "bytewax.run", "dataflow:flow", "-w", "2")
LIMITED = """\
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
os.execv(sys.argv[1], sys.argv[1:])
"""


def run(environment: dict[str, str], soft: int, hard: int) -> subprocess.CompletedProcess[str]:
    """Run the dataflow to the end of the log, with a limit of open files."""
    command = [sys.executable, "-c", LIMITED.format(soft=soft, hard=hard), *COMMAND]
    environ = process_environment(environment | {"STOP_AT_END": "1"})
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.environment(VISITS_PARTITIONS="12")
@pytest.mark.parametrize("limit", [1, 5, 12])
def test_a_users_limit_of_connections_below_the_partitions(settings: Settings, limit: int) -> None:
    """One for each of 12 partitions, and the one that looks."""
    query(settings, f"ALTER USER '{settings.mariadb_user}'@'%' WITH MAX_USER_CONNECTIONS {limit}")
    with pytest.raises(
        Fatal, match=f"one connection to MariaDB per partition.*13 needed, {limit} allowed for"
    ) as caught:
        compare(settings, kafka.admin_client(settings))
    assert caught.value.code == ExitCode.CONFIG
    query(settings, f"ALTER USER '{settings.mariadb_user}'@'%' WITH MAX_USER_CONNECTIONS 13")
    assert compare(settings, kafka.admin_client(settings)).partitions == 12


@pytest.mark.environment(VISITS_PARTITIONS="600")
def test_more_partitions_than_the_server_takes_connections(environment: dict[str, str], settings: Settings) -> None:
    """The dataflow ends with one message before it takes a partition."""
    ((most,),) = query(settings, "SELECT @@max_connections")
    assert most <= 600
    done = run(environment, 4096, 4096)
    assert done.returncode == ExitCode.CONFIG
    message = f"one connection to MariaDB per partition, and one more: 601 needed, {most} allowed; raise the server's"
    assert message in done.stderr
    assert "owned from" not in done.stderr


@pytest.mark.environment(VISITS_PARTITIONS="16")
def test_the_soft_limit_of_open_files_is_raised(environment: dict[str, str], settings: Settings) -> None:
    """16 partitions need more than 100 descriptors."""
    visit = b'{"visitDate":"2026-11-23T20:00:00Z","country":"USA","lastAction":"FAQ","duration":1}'
    produce(settings, [(partition, visit) for partition in range(16)])
    done = run(environment, 100, 4096)
    assert done.returncode == 0, done.stderr
    assert query(settings, "SELECT SUM(visits), COUNT(*) FROM progress") == [(16, 16)]


@pytest.mark.environment(VISITS_PARTITIONS="16")
def test_a_hard_limit_of_open_files_is_named(environment: dict[str, str], settings: Settings) -> None:
    """The message says how many are needed, and how many are allowed."""
    done = run(environment, 100, 200)
    assert done.returncode == ExitCode.CONFIG
    assert "5 partitions in this process: 213 file descriptors needed, 200 allowed; raise the limit" in done.stderr
    assert query(settings, "SELECT SUM(next_offset) FROM progress") == [(0,)]
