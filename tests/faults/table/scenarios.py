"""The table: what is done to the dataflow and its servers while visits flow, and the proof that it happened."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import mariadb as driver
import psutil

from clients import mariadb
from clients.mariadb import Login
from tests.faults.table.arena import Arena
from tests.faults.table.network import Loses, Network, is_commit_of_mariadb, is_end_of_transaction
from tests.pipeline import running
from tests.support import wait_until

NO_SUCH_THREAD = 1094
HELD = 75


class Scenario(NamedTuple):
    """A row: `act` disturbs a running pipeline and returns the proof; `quick` rows run in every test run."""

    name: str
    description: str
    act: Callable[[Arena], str]
    quick: bool = False


SCENARIOS: list[Scenario] = []


def scenario(description: str, *, quick: bool = False) -> Callable[[Callable[[Arena], str]], Callable[[Arena], str]]:
    """Add a function to the table, under its name."""

    def add(act: Callable[[Arena], str]) -> Callable[[Arena], str]:
        SCENARIOS.append(Scenario(act.__name__.replace("_", "-"), description, act, quick))
        return act

    return add


def hold(seconds: float) -> None:
    """Let a fault last so long."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, deadline_s=seconds + 30, what=f"{seconds} s passed")


# The dataflow's processes


@scenario("kill -9 of one process of two, five times at random moments", quick=True)
def one_process_killed(arena: Arena) -> str:
    seeded, killed = random.Random(arena.seed), []
    for _ in range(5):
        arena.wait_for_progress(seeded.randrange(300, 3000))
        victim = seeded.choice(arena.workers)
        killed.append(victim.pid)
        victim.kill()
        wait_until(
            lambda: len(arena.workers) == 2 and not any(worker.pid in killed for worker in arena.workers),
            deadline_s=60,
            what="two new processes",
        )
    return f"{len(set(killed))} processes killed"


@scenario("kill -9 of all processes at once, three times")
def all_processes_killed(arena: Arena) -> str:
    killed: set[int] = set()
    for _ in range(3):
        arena.wait_for_progress(2000)
        for worker in arena.workers:
            killed.add(worker.pid)
            worker.kill()
        wait_until(
            lambda: len(arena.workers) == 2 and killed.isdisjoint(worker.pid for worker in arena.workers),
            deadline_s=60,
            what="two new processes",
        )
    return f"{len(killed)} processes killed"


@scenario("a process suspended for 13 s: longer than a Kafka transaction may stay open")
def process_suspended(arena: Arena) -> str:
    arena.wait_for_progress(2000)
    worker = arena.workers[0]
    worker.suspend()
    wait_until(lambda: worker.status() == psutil.STATUS_STOPPED, deadline_s=10, what="it is stopped")
    hold(13)
    worker.resume()
    return f"process {worker.pid} was stopped"


@scenario("SIGTERM to one process alone")
def one_process_terminated(arena: Arena) -> str:
    arena.wait_for_progress(2000)
    worker = arena.workers[1]
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: worker.pid not in {each.pid for each in arena.workers}, deadline_s=60, what="its end")
    return f"process {worker.pid} has ended"


@scenario("a second copy of the dataflow started by mistake, twice")
def second_copy(arena: Arena) -> str:
    arena.wait_for_progress(1000)
    for copy in range(2):
        with running(arena.environment, arena.folder, processes=2, name=f"copy-{copy}") as dataflow:
            wait_until(
                lambda: HELD in [process.poll() for process in dataflow.processes], deadline_s=60, what="its end"
            )
            assert "is owned by another dataflow" in dataflow.output()
        arena.wait_for_progress(1000)
    return "each ended with code 75, and the first one continued"


# MariaDB


@scenario("MariaDB stopped cleanly and started again", quick=True)
def mariadb_restarted(arena: Arena) -> str:
    before = arena.servers.mariadb.pid()
    arena.wait_for_progress(2000)
    arena.servers.mariadb.stop()
    arena.servers.mariadb.start()
    return f"pid {before} became {arena.servers.mariadb.pid()}"


@scenario("MariaDB killed with -9, three times")
def mariadb_killed(arena: Arena) -> str:
    pids = [arena.servers.mariadb.pid()]
    for _ in range(3):
        arena.wait_for_progress(2000)
        arena.servers.mariadb.kill()
        arena.servers.mariadb.start()
        pids.append(arena.servers.mariadb.pid())
    assert len(set(pids)) == 4
    return f"pids {pids}"


@scenario("MariaDB unavailable for 40 s")
def mariadb_unavailable(arena: Arena) -> str:
    arena.wait_for_progress(2000)
    arena.servers.mariadb.stop()
    hold(40)
    assert arena.counted() == -1
    arena.servers.mariadb.start()
    return "no connection for 40 s"


@scenario("KILL of every connection to MariaDB, twenty times", quick=True)
def connections_killed(arena: Arena) -> str:
    killed = 0
    for _ in range(20):
        arena.wait_for_progress(300)
        listed = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?"
        user = arena.settings.mariadb_user
        with administrator(arena) as cursor:
            cursor.execute(listed, (user,))
            for (connection,) in cursor.fetchall():
                try:
                    cursor.execute(f"KILL {connection}")
                    killed += 1
                except driver.Error as error:
                    if error.errno != NO_SUCH_THREAD:
                        raise
    assert killed >= 20
    return f"{killed} connections killed"


@scenario("the reply to COMMIT lost with its connection, thirty times", quick=True)
def replies_to_commit_lost(arena: Arena) -> str:
    return lose_replies(arena, arena.servers.mariadb_network, is_commit_of_mariadb, 30)


@scenario("every connection to MariaDB reset, thirty times")
def mariadb_connections_reset(arena: Arena) -> str:
    return reset_connections(arena, arena.servers.mariadb_network, 30)


@scenario("MariaDB half-open: connections stay, nothing passes for 20 s")
def mariadb_half_open(arena: Arena) -> str:
    return stall(arena, arena.servers.mariadb_network, 20)


@scenario("a network of 10 kB/s to MariaDB for 20 s")
def mariadb_network_narrow(arena: Arena) -> str:
    return slow_down(arena, arena.servers.mariadb_network, delay_s=0, bytes_per_s=10_000)


@scenario("500 ms more on the way to and from MariaDB for 20 s")
def mariadb_network_slow(arena: Arena) -> str:
    return slow_down(arena, arena.servers.mariadb_network, delay_s=0.5, bytes_per_s=0)


@scenario("MariaDB read-only for 15 s", quick=True)
def mariadb_read_only(arena: Arena) -> str:
    arena.wait_for_progress(2000)
    with administrator(arena) as cursor:
        cursor.execute("SET GLOBAL read_only = 1")
        try:
            wait_until(lambda: "error 1290" in arena.log(), deadline_s=30, what="a refused write")
            hold(15)
        finally:
            cursor.execute("SET GLOBAL read_only = 0")
    return "error 1290 in the log"


@scenario("FLUSH TABLES WITH READ LOCK for 15 s")
def mariadb_backup_lock(arena: Arena) -> str:
    arena.wait_for_progress(2000)
    with administrator(arena) as cursor:
        cursor.execute("SET SESSION wait_timeout = 600")
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        counted = arena.counted()
        hold(15)
        assert arena.counted() == counted
        cursor.execute("UNLOCK TABLES")
    return "nothing was counted for 15 s"


@scenario("rows of window_totals locked by another connection for 12 s")
def mariadb_rows_locked(arena: Arena) -> str:
    arena.wait_for_progress(2000)
    with administrator(arena) as cursor:
        cursor.execute("SET SESSION idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0")
        cursor.execute("SELECT COUNT(*) FROM window_totals WHERE visits >= 0 FOR UPDATE")
        cursor.fetchall()
        wait_until(lambda: "error 1205" in arena.log(), deadline_s=30, what="a lock wait that timed out")
        cursor.execute("ROLLBACK")
    return "error 1205 in the log"


@scenario("ALTER TABLE of window_totals and progress in mid-run")
def mariadb_tables_altered(arena: Arena) -> str:
    arena.wait_for_progress(2000)
    arena.administer("ALTER TABLE window_totals ADD INDEX of_entry (entry), FORCE")
    arena.wait_for_progress(1000)
    arena.administer("ALTER TABLE progress FORCE")
    arena.administer("ALTER TABLE window_totals DROP INDEX of_entry")
    return "three ALTER TABLE have ended"


@scenario("no connection left in MariaDB (max_connections), and all of ours reset")
def mariadb_connections_exhausted(arena: Arena) -> str:
    arena.wait_for_progress(2000)
    taken: list[Any] = []
    with administrator(arena) as cursor:
        cursor.execute("SELECT @@max_connections")
        (limit,) = cursor.fetchone()
        cursor.execute("SET GLOBAL max_connections = 10")
        try:
            arena.servers.mariadb_network.reset()
            wait_until(partial(takes_all_connections, arena, taken), deadline_s=60, what="a refused connection")
            hold(5)
        finally:
            cursor.execute(f"SET GLOBAL max_connections = {limit}")
            for connection in taken:
                connection.close()
    return "error 1040 in the log"


def takes_all_connections(arena: Arena, taken: list[Any]) -> bool:
    """Take one more connection if there is one; return whether the dataflow has been refused one."""
    with suppress(mariadb.ConnectionLost):
        taken.append(mariadb.connect(Login.reader(arena.settings)))
    return "error 1040" in arena.log()


# Kafka


@scenario("Kafka stopped cleanly and started again")
def kafka_restarted(arena: Arena) -> str:
    before = arena.servers.kafka.pid()
    arena.wait_for_progress(2000)
    arena.servers.kafka.stop()
    arena.servers.kafka.start()
    return f"pid {before} became {arena.servers.kafka.pid()}"


@scenario("Kafka killed with -9, five times")
def kafka_killed(arena: Arena) -> str:
    pids = [arena.servers.kafka.pid()]
    for _ in range(5):
        arena.wait_for_progress(1000)
        arena.servers.kafka.kill()
        arena.servers.kafka.start()
        pids.append(arena.servers.kafka.pid())
    assert len(set(pids)) == 6
    return f"pids {pids}"


@scenario("the reply to EndTxn lost with its connection, thirty times", quick=True)
def replies_to_end_of_transaction_lost(arena: Arena) -> str:
    return lose_replies(arena, arena.servers.kafka_network, is_end_of_transaction, 30)


@scenario("every connection to Kafka reset, thirty times")
def kafka_connections_reset(arena: Arena) -> str:
    return reset_connections(arena, arena.servers.kafka_network, 30)


@scenario("Kafka half-open: connections stay, nothing passes for 20 s")
def kafka_half_open(arena: Arena) -> str:
    return stall(arena, arena.servers.kafka_network, 20)


@scenario("a network of 200 kB/s to Kafka for 20 s")
def kafka_network_narrow(arena: Arena) -> str:
    return slow_down(arena, arena.servers.kafka_network, delay_s=0, bytes_per_s=200_000)


@scenario("500 ms more on the way to and from Kafka for 20 s")
def kafka_network_slow(arena: Arena) -> str:
    return slow_down(arena, arena.servers.kafka_network, delay_s=0.5, bytes_per_s=0)


# Both


@scenario("connections to both servers reset, and a process killed, in turns, for a minute")
def everything_at_once(arena: Arena) -> str:
    seeded, done = random.Random(arena.seed), 0
    until = time.monotonic() + 60
    while time.monotonic() < until:
        arena.wait_for_progress(200)
        fault = seeded.randrange(3)
        if fault == 0:
            arena.servers.kafka_network.reset()
        elif fault == 1:
            arena.servers.mariadb_network.reset()
        else:
            for worker in arena.workers[:1]:
                worker.kill()
        done += 1
    return f"{done} faults"


@contextmanager
def administrator(arena: Arena) -> Iterator[Any]:
    """Lead to a cursor of MariaDB's administrator, directly and on the pipeline's database."""
    login = Login.admin(arena.settings)._replace(database=arena.settings.mariadb_database)
    connection = mariadb.connect(login)
    try:
        yield connection.cursor()
    finally:
        connection.close()


def lose_replies(arena: Arena, network: Network, loses: Loses, count: int) -> str:
    """Lose so many replies, each while messages are counted."""
    before = network.lost_replies
    for lost in range(1, count + 1):
        network.loses_reply_to = loses
        goal = before + lost
        wait_until(partial(has_lost, network, goal), deadline_s=120, what=f"reply {lost} lost")
        network.loses_reply_to = None
        arena.wait_for_progress(100)
    return f"{network.lost_replies - before} replies lost"


def has_lost(network: Network, count: int) -> bool:
    """Return whether so many replies have been lost."""
    return network.lost_replies >= count


def reset_connections(arena: Arena, network: Network, count: int) -> str:
    """Reset all connections so many times, each while messages are counted."""
    reset = 0
    for _ in range(count):
        arena.wait_for_progress(100)
        reset += network.reset()
    assert reset >= count
    return f"{reset} connections reset"


def stall(arena: Arena, network: Network, seconds: float) -> str:
    """Swallow everything for a while, then drop the connections, as a router does that has come back."""
    arena.wait_for_progress(2000)
    before = network.swallowed
    network.stalled = True
    hold(seconds)
    network.stalled = False
    network.reset()
    assert network.swallowed > before
    return f"{network.swallowed - before} chunks swallowed"


def slow_down(arena: Arena, network: Network, *, delay_s: float, bytes_per_s: int) -> str:
    """Slow the network down for 20 s."""
    arena.wait_for_progress(2000)
    before = network.delayed
    network.delay_s, network.bytes_per_s = delay_s, bytes_per_s
    hold(20)
    network.delay_s, network.bytes_per_s = 0.0, 0
    assert network.delayed > before
    return f"{network.delayed - before} chunks held up"
