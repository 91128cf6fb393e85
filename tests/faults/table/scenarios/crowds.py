"""Very many names, and very many partitions."""

from tests.faults.table.arena import Arena
from tests.faults.table.crowd import visits_of_names
from tests.faults.table.scenario import scenario

_NAMES = 1_000_000
_STEP = 20_000
_KILLS = (12, 25, 37)
_PARTITIONS = 256


@scenario(
    "1,000,000 names, and a process killed with -9 amid them, three times", environment={"WINDOW_LENGTHS_S": "86400"}
)
def million_names(arena: Arena) -> str:
    kills = 0
    for at, first in enumerate(range(0, _NAMES, _STEP)):
        arena.send(visits_of_names(_STEP, name=lambda at: f"Country {at}", first=first))
        if at in _KILLS:
            before = arena.dataflow.workers
            kills += arena.dataflow.kill_one(before[0])
            arena.dataflow.wait_until_replaced(before)
    arena.wait_until_all_is_counted(deadline_s=600)
    assert kills == len(_KILLS)
    ((names,),) = arena.administer("SELECT COUNT(*) FROM window_totals WHERE board = 'country'")
    assert names >= _NAMES
    return f"{names:,} names in window_totals, {kills} processes killed"


@scenario(
    f"{_PARTITIONS} partitions: all connections to MariaDB reset, and a process killed with -9",
    environment={"VISITS_PARTITIONS": str(_PARTITIONS)},
)
def many_partitions(arena: Arena) -> str:
    reset = arena.servers.mariadb_network.reset()
    assert reset >= _PARTITIONS
    arena.wait_for_progress(9000)
    before = arena.dataflow.workers
    arena.dataflow.kill_one(before[0])
    arena.dataflow.wait_until_replaced(before)
    arena.wait_for_progress(9000, deadline_s=300)
    ((owned,),) = arena.administer("SELECT COUNT(*) FROM progress WHERE messages > 0")
    assert owned == _PARTITIONS
    return f"{owned} partitions have counted; {reset} connections reset"
