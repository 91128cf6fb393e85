"""MariaDB is restarted, killed or unavailable, or ends its connections."""

from tests.faults.administrator import kill_connections
from tests.faults.table.arena import Arena
from tests.faults.table.scenario import hold, scenario
from tests.faults.table.servers import kill, restart


@scenario("MariaDB stopped cleanly and started again", quick=True)
def mariadb_restarted(arena: Arena) -> str:
    return restart(arena.servers.mariadb)


@scenario("MariaDB killed with -9, three times")
def mariadb_killed(arena: Arena) -> str:
    return kill(arena.servers.mariadb, 3, before_each=lambda: arena.wait_for_progress(6000))


@scenario("MariaDB unavailable for 40 s")
def mariadb_unavailable(arena: Arena) -> str:
    arena.servers.mariadb.stop()
    hold(40)
    assert arena.counted() == -1
    arena.servers.mariadb.start()
    return "no connection for 40 s"


@scenario("KILL of every connection to MariaDB, twenty times")
def mariadb_connections_killed(arena: Arena) -> str:
    killed = 0
    for _ in range(20):
        arena.wait_for_progress(1000)
        killed += kill_connections(arena.settings)
    assert killed >= 20
    return f"{killed} connections killed"
