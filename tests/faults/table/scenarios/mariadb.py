"""MariaDB is restarted, killed or unavailable, or ends its connections."""

from tests.faults.administrator import kill_connections
from tests.faults.table.arena import Arena
from tests.faults.table.scenario import hold, scenario


@scenario("MariaDB stopped cleanly and started again", quick=True)
def mariadb_restarted(arena: Arena) -> str:
    before = arena.servers.mariadb.pid()
    arena.servers.mariadb.stop()
    arena.servers.mariadb.start()
    assert arena.servers.mariadb.pid() != before
    return f"pid {before} became {arena.servers.mariadb.pid()}"


@scenario("MariaDB killed with -9, three times")
def mariadb_killed(arena: Arena) -> str:
    pids = [arena.servers.mariadb.pid()]
    for _ in range(3):
        arena.wait_for_progress(6000)
        arena.servers.mariadb.kill()
        arena.servers.mariadb.start()
        pids.append(arena.servers.mariadb.pid())
    assert len(set(pids)) == 4
    return f"pids {pids}"


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
