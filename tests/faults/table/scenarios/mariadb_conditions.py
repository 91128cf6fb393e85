"""Conditions of MariaDB that an administrator brings about by a statement, and ends by another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import mariadb as driver

from clients import mariadb
from clients.mariadb import Login
from tests.faults.administrator import administrator, kill_connections
from tests.faults.table.arena import Arena
from tests.faults.table.scenario import hold, scenario
from tests.support import wait_until

_LOCK_ALL = "SELECT COUNT(*) FROM window_totals WHERE visits >= 0 FOR UPDATE"
_STORM_S = 20


@contextmanager
def condition(arena: Arena, begin: str, end: str) -> Iterator[None]:
    """Bring a condition about by one statement, and undo it by another, on one connection."""
    with administrator(arena.settings) as cursor:
        cursor.execute(begin)
        if cursor.description:
            cursor.fetchall()
        try:
            yield
        finally:
            cursor.execute(end)


def refused(
    arena: Arena, begin: str, end: str, *, error: int, seconds: float, then: Callable[[], object] | None = None
) -> str:
    """Let a condition last for some seconds after its error is in the log; `then` is done once it has begun."""
    since = len(arena.dataflow.log())
    with condition(arena, begin, end):
        if then is not None:
            then()
        arena.dataflow.wait_for_log(f"error {error}", since=since)
        hold(seconds)
    return f"error {error} in the log"


@scenario("MariaDB read-only for 15 s", quick=True)
def mariadb_read_only(arena: Arena) -> str:
    begin, end = "SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"
    return refused(arena, begin, end, error=1290, seconds=15)


@scenario("FLUSH TABLES WITH READ LOCK for 15 s")
def mariadb_backup_lock(arena: Arena) -> str:
    with condition(arena, "FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"):
        counted = arena.counted()
        hold(15)
        assert arena.counted() == counted
    return "nothing was counted for 15 s"


@scenario("rows of window_totals locked by another connection for 12 s")
def mariadb_rows_locked(arena: Arena) -> str:
    return refused(arena, _LOCK_ALL, "ROLLBACK", error=1205, seconds=6)


@scenario("ALTER TABLE of window_totals and progress in mid-run")
def mariadb_tables_altered(arena: Arena) -> str:
    arena.administer("ALTER TABLE window_totals ADD INDEX of_entry (entry), FORCE")
    arena.wait_for_progress(3000)
    arena.administer("ALTER TABLE progress FORCE")
    arena.administer("ALTER TABLE window_totals DROP INDEX of_entry")
    return "three ALTER TABLE have ended"


@scenario("an ALTER TABLE that waits for a long reader, and all writes behind it, for 15 s")
def mariadb_alter_waits(arena: Arena) -> str:
    altering = threading.Thread(target=_alter, args=(arena,))
    with condition(arena, "SELECT COUNT(*) FROM window_totals", "ROLLBACK"):  # keeps the table's metadata lock
        altering.start()
        wait_until(lambda: _waits_behind_the_alter(arena), deadline_s=30, what="a write that waits")
        counted = arena.counted()
        hold(15)
        assert arena.counted() == counted
    altering.join()
    assert arena.administer("SHOW INDEX FROM window_totals WHERE Key_name = 'of_entry'")
    return "a write waited for a table metadata lock, and nothing was counted for 15 s"


def _alter(arena: Arena) -> None:
    with administrator(arena.settings) as cursor:  # it may wait for ten minutes, the dataflow for 10 s
        cursor.execute("ALTER TABLE window_totals ADD INDEX of_entry (entry)")


def _waits_behind_the_alter(arena: Arena) -> bool:
    found = "SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = '{}' AND STATE LIKE '%metadata lock'"
    return bool(arena.administer(found.format(arena.settings.mariadb_user)))


@scenario(f"a storm of other writers on the same rows, in the opposite order, for {_STORM_S} s", quick=True)
def mariadb_storm_of_writers(arena: Arena) -> str:
    stop = threading.Event()
    writers = [threading.Thread(target=_write_backwards, args=(arena, stop)) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        hold(_STORM_S)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    log = arena.dataflow.log()
    lost = {number: log.count(f"error {number}") for number in (1205, 1213)}
    assert lost[1213], lost
    return f"{lost[1213]} deadlocks and {lost[1205]} lock waits lost"


def _write_backwards(arena: Arena, stop: threading.Event) -> None:
    """Lock all rows, those of long windows first, in one transaction after the other; no total is changed."""
    lock = "SELECT visits FROM window_totals WHERE length_s BETWEEN ? AND ? FOR UPDATE"
    with administrator(arena.settings) as cursor:
        while not stop.is_set():
            with suppress(driver.Error):  # it may itself be the victim of a deadlock
                for lengths_s in ((3600, 86_400), (5, 60)):
                    cursor.execute(lock, lengths_s)
                    cursor.fetchall()
            cursor.execute("ROLLBACK")


@scenario("init_connect sets another character set, and all connections are killed")
def mariadb_charset_changed(arena: Arena) -> str:
    latin1 = "SET GLOBAL init_connect = 'SET NAMES latin1, @by_init_connect = 1'"
    with condition(arena, latin1, "SET GLOBAL init_connect = ''"):
        assert _is_run_by_a_new_connection(arena)
        killed = kill_connections(arena.settings)
        arena.wait_for_progress(9000)
    assert killed >= 4
    return f"{killed} connections killed; the server set latin1 on each new one"


def _is_run_by_a_new_connection(arena: Arena) -> bool:
    """Return whether the server runs init_connect for users such as the dataflow's."""
    with closing(mariadb.connect(Login.reader(arena.settings))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT @by_init_connect")
        return bool(cursor.fetchone() == (1,))
