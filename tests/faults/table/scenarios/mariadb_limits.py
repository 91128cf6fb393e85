"""Limits of MariaDB: of connections, of a user's connections, of a packet."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from clients import mariadb
from clients.mariadb import Login
from settings import Settings
from tests.faults.administrator import administrator, kill_connections
from tests.faults.table.arena import Arena
from tests.faults.table.crowd import visits_of_names
from tests.faults.table.scenario import hold, scenario
from tests.faults.table.scenarios.mariadb_conditions import condition, refused
from tests.support import wait_until

_SMALLEST_PACKET = 1024 * 1024
_WIDE = "\N{CHEESE WEDGE}"


@scenario("no connection left in MariaDB (max_connections), and all of ours reset")
def mariadb_connections_exhausted(arena: Arena) -> str:
    taken: list[Any] = []
    with administrator(arena.settings) as cursor:
        cursor.execute("SELECT @@max_connections")
        (limit,) = cursor.fetchone()
        cursor.execute("SET GLOBAL max_connections = 10")
        try:
            arena.servers.mariadb_network.reset()
            wait_until(lambda: _takes_all(arena, taken, Login.reader, 1040), deadline_s=60, what="a refused connection")
            hold(5)
        finally:
            cursor.execute(f"SET GLOBAL max_connections = {limit}")
            for connection in taken:
                connection.close()
    return "error 1040 in the log"


def _takes_all(arena: Arena, taken: list[Any], login: Callable[[Settings], Login], error: int) -> bool:
    """Take one more connection if there is one; return whether the dataflow has been refused one."""
    with suppress(mariadb.ConnectionLost):
        taken.append(mariadb.connect(login(arena.settings)))
    return f"error {error}" in arena.dataflow.log()


@scenario("all connections of the dataflow's user (MAX_USER_CONNECTIONS) taken by another client for 15 s")
def mariadb_user_connections_exhausted(arena: Arena) -> str:
    limit = f"ALTER USER '{arena.settings.mariadb_user}'@'%' WITH MAX_USER_CONNECTIONS"
    taken: list[Any] = []

    def take() -> None:
        kill_connections(arena.settings)
        wait_until(lambda: _takes_all(arena, taken, Login.dataflow, 1226), deadline_s=60, what="a refused connection")

    try:
        return refused(arena, f"{limit} 5", f"{limit} 0", error=1226, seconds=15, then=take)
    finally:
        for connection in taken:
            connection.close()


@scenario("max_allowed_packet lowered to 1 MiB, all connections killed, and batches of many megabytes")
def mariadb_packets_limited(arena: Arena) -> str:
    before = arena.administer("SELECT @@max_allowed_packet")[0][0]
    limit = "SET GLOBAL max_allowed_packet ="
    with condition(arena, f"{limit} {_SMALLEST_PACKET}", f"{limit} {before}"):
        assert arena.administer("SELECT @@max_allowed_packet") == [(_SMALLEST_PACKET,)]
        kill_connections(arena.settings)
        arena.send(visits_of_names(10_000, name=lambda at: f"{at:06d}".ljust(64, _WIDE)))
        arena.wait_until_all_is_counted()
    ((written,),) = arena.administer("SELECT SUM(LENGTH(entry)) FROM window_totals")
    return f"names of {written / 1_000_000:.0f} MB written"
