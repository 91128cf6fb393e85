"""Conditions of a server that are waited for, and settings of it that no wait can mend."""

import logging
from collections.abc import Iterator
from contextlib import closing

import pytest

from clients import mariadb
from clients.mariadb import Login
from operators.batches import SumBatch
from operators.cells import amount_of
from ops.servers import Servers
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.integration.mariadb_server import Server, mariadb_with
from tests.integration.parts import DEADLINE_S
from tests.integration.totals import AT_S, connections, position, sink_of, sums, totals
from tests.support import query, wait_until

PACKET_BYTES = 1024 * 1024


@pytest.fixture(scope="module")
def server(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a binary log, and with the smallest packets that are enough."""
    options = ("--log-bin=log", "--binlog-format=ROW", f"--max-allowed-packet={PACKET_BYTES}")
    with mariadb_with(servers, tmp_path_factory.mktemp("conditions"), *options) as server:
        yield server


@pytest.fixture
def settings(server: Server) -> Iterator[Settings]:
    """A pipeline on it."""
    with server.pipeline() as settings:
        yield settings


def flow_user(settings: Settings) -> str:
    return f"'{settings.mariadb_user}'@'%'"


OUTAGES = {
    "read_only": (1290, "SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"),
    "MAX_QUERIES_PER_HOUR": (
        1226,
        "ALTER USER {user} WITH MAX_QUERIES_PER_HOUR 1",
        "ALTER USER {user} WITH MAX_QUERIES_PER_HOUR 0",
    ),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_is_waited_for(settings: Settings, caplog: pytest.LogCaptureFixture, outage: str) -> None:
    """Nothing is committed meanwhile, and all of it when it is over."""
    number, begin, end = OUTAGES[outage]
    with sink_of(settings) as sink, caplog.at_level(logging.WARNING):
        sink.write(sums(0, 3, "USA"))
        query(settings, begin.format(user=flow_user(settings)))
        try:
            if "USER" in begin:  # such a limit holds for connections that are opened after it was set
                (connection,) = connections(settings)
                query(settings, f"KILL {connection}")
            sink.hand_over(sums(3, 5, "USA"))
            wait_until(lambda: f"error {number}" in caplog.text, deadline_s=DEADLINE_S, what=f"error {number}")
            assert sink.committer.failure is None
            assert (sink.position, position(settings)[0]) == (3, 3)
        finally:
            query(settings, end.format(user=flow_user(settings)))
            query(settings, "FLUSH USER_RESOURCES")
        sink.wait_until_committed(5, deadline_s=120)
    assert totals(settings) == {"USA": (20, 2)}


def test_a_limit_of_connections_is_waited_for(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """The user's only connection is taken by another client when the dataflow's is lost."""
    with sink_of(settings) as sink, caplog.at_level(logging.WARNING):
        sink.write(sums(0, 3, "USA"))
        query(settings, f"ALTER USER {flow_user(settings)} WITH MAX_USER_CONNECTIONS 1")
        (connection,) = connections(settings)
        query(settings, f"KILL {connection}")
        wait_until(lambda: not connections(settings), deadline_s=DEADLINE_S, what="the connection's end")
        with closing(mariadb.connect(Login.dataflow(settings))):
            sink.hand_over(sums(3, 5, "USA"))
            wait_until(lambda: "error 1226" in caplog.text, deadline_s=DEADLINE_S, what="error 1226")
            assert (sink.committer.failure, sink.position) == (None, 3)
        sink.wait_until_committed(5, deadline_s=120)
    assert totals(settings) == {"USA": (20, 2)}


def test_a_binary_log_of_statements_is_refused(server: Server, settings: Settings) -> None:
    """No restart helps: the message names the setting, to the dataflow and to provision."""
    query(settings, "SET GLOBAL binlog_format = 'STATEMENT'")
    try:
        with pytest.raises(Fatal, match=r"error 1665.*binlog_format must be ROW or MIXED") as caught, sink_of(settings):
            pass
        assert caught.value.code == ExitCode.CONFIG
        with pytest.raises(Fatal, match="binlog_format must be ROW or MIXED") as caught, server.pipeline():
            pass
        assert caught.value.code == ExitCode.CONFIG
    finally:
        query(settings, "SET GLOBAL binlog_format = 'ROW'")
    assert position(settings) == (0, 0, 0, 0)


# Each character takes 4 bytes in a statement: as it is, or escaped for JSON and again for SQL.
@pytest.mark.parametrize("character", ["\N{CHEESE WEDGE}", '"', "\\", "'", "日"])
def test_packets_of_1_mib_are_enough(settings: Settings, character: str) -> None:
    """A batch of 45,000 rows with the longest names is many statements, and one transaction."""
    names = [f"{at:05d}".ljust(64, character) for at in range(22_500)]
    windows = {(5, AT_S, board): {name: amount_of(3, 1) for name in names} for board in ("action", "country")}
    with sink_of(settings) as sink:
        assert query(settings, "SELECT @@max_allowed_packet") == [(PACKET_BYTES,)]
        sink.write(SumBatch(0, 0, 22_500, 22_500, 0, AT_S, windows))
    counted = query(settings, "SELECT COUNT(*), COUNT(DISTINCT entry), SUM(duration_s), SUM(visits) FROM window_totals")
    assert [tuple(map(int, row)) for row in counted] == [(45_000, 22_500, 135_000, 45_000)]
    assert query(settings, "SELECT MAX(entry) FROM window_totals") == [(names[-1],)]
    assert position(settings) == (22_500, 22_500, 22_500, 0)
