"""MariaDB's disk is full."""

from itertools import count

from tests.faults.table.arena import Arena
from tests.faults.table.crowd import visits_of_names
from tests.faults.table.disk import small_disk
from tests.faults.table.scenario import hold, scenario
from tests.support import wait_until

_FULL = ("error 1114", "error 1021", "error 1026", "error 3:", "error 1030")
_STEP = 3000


@scenario("MariaDB's disk full for 15 s, while new names make its tables grow")
def mariadb_disk_full(arena: Arena) -> str:
    with small_disk(arena.servers, arena.servers.mariadb) as disk:
        arena.wait_for_progress(3000)
        since = len(arena.dataflow.log())
        ballast = disk.fill()
        firsts = count(0, _STEP)

        def refused() -> str | None:
            arena.send(visits_of_names(_STEP, name=lambda at: f"Country {at}", first=next(firsts)))
            return next((error for error in _FULL if error in arena.dataflow.log(since)), None)

        error = wait_until(refused, deadline_s=120, what="an error of the full disk")
        hold(15)
        disk.free()
        arena.wait_for_progress(3000)
    return f"{error} in the log, with {ballast / 1_000_000:.0f} MB of ballast on the disk"
