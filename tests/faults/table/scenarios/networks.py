"""The networks to MariaDB and Kafka: lost replies, resets, half-open connections, few bytes a second, long delays."""

from functools import partial

from tests.faults.table.arena import Arena
from tests.faults.table.network import Loses, Network, is_commit_of_mariadb, is_end_of_transaction
from tests.faults.table.scenario import hold, scenario
from tests.support import wait_until


@scenario("the reply to COMMIT lost with its connection, thirty times", quick=True)
def replies_to_commit_lost(arena: Arena) -> str:
    return lose_replies(arena, arena.servers.mariadb_network, is_commit_of_mariadb, 30)


@scenario("the reply to EndTxn lost with its connection, thirty times", quick=True)
def replies_to_end_of_transaction_lost(arena: Arena) -> str:
    return lose_replies(arena, arena.servers.kafka_network, is_end_of_transaction, 30)


@scenario("every connection to MariaDB reset, thirty times")
def mariadb_connections_reset(arena: Arena) -> str:
    return reset_connections(arena, arena.servers.mariadb_network, 30)


@scenario("every connection to Kafka reset, thirty times")
def kafka_connections_reset(arena: Arena) -> str:
    return reset_connections(arena, arena.servers.kafka_network, 30)


@scenario("MariaDB half-open: connections stay, nothing passes for 20 s")
def mariadb_half_open(arena: Arena) -> str:
    return stall(arena.servers.mariadb_network, 20)


@scenario("Kafka half-open: connections stay, nothing passes for 20 s")
def kafka_half_open(arena: Arena) -> str:
    return stall(arena.servers.kafka_network, 20)


@scenario("a network of 10 kB/s to MariaDB for 20 s")
def mariadb_network_narrow(arena: Arena) -> str:
    return slow_down(arena.servers.mariadb_network, bytes_per_s=10_000)


@scenario("a network of 200 kB/s to Kafka for 20 s")
def kafka_network_narrow(arena: Arena) -> str:
    return slow_down(arena.servers.kafka_network, bytes_per_s=200_000)


@scenario("500 ms more on the way to and from MariaDB for 20 s")
def mariadb_network_slow(arena: Arena) -> str:
    return slow_down(arena.servers.mariadb_network, delay_s=0.5)


@scenario("500 ms more on the way to and from Kafka for 20 s")
def kafka_network_slow(arena: Arena) -> str:
    return slow_down(arena.servers.kafka_network, delay_s=0.5)


def lose_replies(arena: Arena, network: Network, loses: Loses, count: int) -> str:
    """Lose so many replies, each while messages are counted."""
    before = network.lost_replies
    for lost in range(1, count + 1):
        network.loses_reply_to = loses
        wait_until(partial(_has_lost, network, before + lost), deadline_s=120, what=f"reply {lost} lost")
        network.loses_reply_to = None
        arena.wait_for_progress(300)
    return f"{network.lost_replies - before} replies lost"


def _has_lost(network: Network, count: int) -> bool:
    return network.lost_replies >= count


def reset_connections(arena: Arena, network: Network, count: int) -> str:
    """Reset all connections so many times, each while messages are counted."""
    reset = 0
    for _ in range(count):
        arena.wait_for_progress(300)
        reset += network.reset()
    assert reset >= count
    return f"{reset} connections reset"


def stall(network: Network, seconds: float) -> str:
    """Swallow everything for a while, then drop the connections, as a router does that has come back."""
    before = network.swallowed
    network.stalled = True
    hold(seconds)
    network.stalled = False
    network.reset()
    assert network.swallowed > before
    return f"{network.swallowed - before} chunks swallowed"


def slow_down(network: Network, *, delay_s: float = 0.0, bytes_per_s: int = 0, seconds: float = 20) -> str:
    """Slow a network down for a while."""
    before = network.delayed
    network.delay_s, network.bytes_per_s = delay_s, bytes_per_s
    hold(seconds)
    network.delay_s, network.bytes_per_s = 0.0, 0
    assert network.delayed > before
    return f"{network.delayed - before} chunks held up"
