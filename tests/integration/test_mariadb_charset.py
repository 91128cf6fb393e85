"""A server that speaks another character set: names stay apart, and keep their characters."""

from collections.abc import Iterator

import pytest

from clients.mariadb import Login
from leaderboard.boards import BoardReader
from operators.batches import SumBatch
from operators.cells import amount_of
from ops.servers import Servers
from settings import Settings
from tests.integration.mariadb_server import mariadb_with
from tests.integration.totals import AT_S, sink_of, sums
from tests.support import query

NAMES = ("Österreich", "Åland", "日本", "USA", "USA ")

SERVERS = {
    "ignores the client's handshake": ("--skip-character-set-client-handshake", "--character-set-server=utf8mb3"),
    "sets latin1 on every connection": ("--init-connect=SET NAMES latin1",),
    "both, and another zone and mode": (
        "--skip-character-set-client-handshake",
        "--character-set-server=latin1",
        "--init-connect=SET NAMES latin1, time_zone = '+05:30', sql_mode = '', tx_isolation = 'SERIALIZABLE'",
        "--transaction-isolation=SERIALIZABLE",
        "--sql-mode=ANSI",
        "--default-time-zone=-08:00",
    ),
}


@pytest.fixture(scope="module", params=SERVERS)
def settings(
    servers: Servers, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """A pipeline on such a server."""
    directory = tmp_path_factory.mktemp("charset")
    with mariadb_with(servers, directory, *SERVERS[request.param]) as server, server.pipeline() as settings:
        yield settings


def test_names_stay_apart_whatever_the_servers_character_set_is(settings: Settings) -> None:
    """Their bytes are stored as UTF-8, once each, and the leaderboard reads them back."""
    entries = {name: amount_of(10, 1) for name in NAMES}
    windows = {(length_s, AT_S, "country"): entries for length_s in (5, 3600)}
    windows[86_400, AT_S - 72_000, "country"] = entries
    with sink_of(settings) as sink:
        sink.write(SumBatch(0, 0, len(NAMES), len(NAMES), 0, AT_S, windows))
    stored = query(settings, "SELECT HEX(entry) FROM window_totals")
    assert len(stored) == 3 * len(NAMES)
    assert {row[0] for row in stored} == {name.encode().hex().upper() for name in NAMES}
    reader = BoardReader(Login.reader(settings))
    board = reader.read("all").boards["country"].entries
    reader.close()
    assert {(entry.entry, entry.duration_s) for entry in board} == {(name, 10) for name in NAMES}


def test_windows_are_stored_in_utc(settings: Settings) -> None:
    """Whatever the server's time zone is."""
    with sink_of(settings) as sink:
        begin = sink.position
        sink.write(sums(begin, begin + 1, "Peru"))
    starts = query(settings, "SELECT CAST(window_start AS CHAR) FROM window_totals WHERE entry = 'Peru'")
    assert starts == [("2026-11-23 20:00:00",)]
