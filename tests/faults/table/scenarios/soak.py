"""Faults of every kind, one after the other, in an order that follows from the seed."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from tests.faults.administrator import kill_connections
from tests.faults.table.arena import Arena
from tests.faults.table.network import is_commit_of_mariadb, is_end_of_transaction
from tests.faults.table.scenario import hold, scenario
from tests.faults.table.scenarios.mariadb_conditions import refused
from tests.faults.table.scenarios.networks import lose_replies, slow_down, stall

_SOAK_S = 240


def _kill_one(arena: Arena) -> None:
    for worker in arena.dataflow.workers[:1]:
        arena.dataflow.kill_one(worker)


def _kill_all(arena: Arena) -> None:
    for worker in arena.dataflow.workers:
        arena.dataflow.kill_one(worker)


def _suspend(arena: Arena) -> None:
    for worker in arena.dataflow.workers[-1:]:
        worker.suspend()
        hold(2)
        worker.resume()


def _rescale(arena: Arena) -> None:
    arena.dataflow.stop()
    arena.dataflow.start(3 - arena.dataflow.processes)


def _restart_mariadb(arena: Arena) -> None:
    arena.servers.mariadb.kill()
    arena.servers.mariadb.start()


def _restart_kafka(arena: Arena) -> None:
    arena.servers.kafka.kill()
    arena.servers.kafka.start()


def _read_only(arena: Arena) -> None:
    refused(arena, "SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0", error=1290, seconds=1)


FAULTS: dict[str, Callable[[Arena], object]] = {
    "one process killed": _kill_one,
    "all processes killed": _kill_all,
    "a process suspended": _suspend,
    "another number of processes": _rescale,
    "MariaDB killed": _restart_mariadb,
    "Kafka killed": _restart_kafka,
    "MariaDB read-only": _read_only,
    "connections killed": lambda arena: kill_connections(arena.settings),
    "connections to MariaDB reset": lambda arena: arena.servers.mariadb_network.reset(),
    "connections to Kafka reset": lambda arena: arena.servers.kafka_network.reset(),
    "MariaDB half-open": lambda arena: stall(arena.servers.mariadb_network, 3),
    "Kafka half-open": lambda arena: stall(arena.servers.kafka_network, 3),
    "a slow network": lambda arena: slow_down(arena.servers.kafka_network, delay_s=0.2, seconds=3),
    "a reply to COMMIT lost": lambda arena: lose_replies(arena, arena.servers.mariadb_network, is_commit_of_mariadb, 1),
    "a reply to EndTxn lost": lambda arena: lose_replies(arena, arena.servers.kafka_network, is_end_of_transaction, 1),
}


@scenario("connections to both servers reset, and a process killed, in turns, for a minute")
def everything_at_once(arena: Arena) -> str:
    names = ["connections to Kafka reset", "connections to MariaDB reset", "one process killed"]
    return strike(arena, names, seconds=60, apart=600)


@scenario(f"a soak of {_SOAK_S // 60} minutes: faults of {len(FAULTS)} kinds in random order")
def soak(arena: Arena) -> str:
    return strike(arena, list(FAULTS), seconds=_SOAK_S, apart=3000)


def strike(arena: Arena, names: Sequence[str], *, seconds: float, apart: int) -> str:
    """Let one fault follow another for a while, up to so many messages apart, until each kind has come."""
    seeded, done = random.Random(arena.seed), Counter[str]()
    kinds = in_random_order(names, seeded)
    until = time.monotonic() + seconds
    while time.monotonic() < until or set(done) != set(names):
        arena.wait_for_progress(seeded.randrange(1, apart))
        name = next(kinds)
        FAULTS[name](arena)
        done[name] += 1
    return f"{done.total()} faults of {len(done)} kinds"


def in_random_order(names: Sequence[str], seeded: random.Random) -> Iterator[str]:
    """Yield every name once, in a random order, again and again."""
    while True:
        yield from seeded.sample(names, len(names))
