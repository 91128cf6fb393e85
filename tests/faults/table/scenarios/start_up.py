"""A server is restarted while the dataflow starts and takes its partitions."""

from ops.servers import Server
from tests.faults.table.arena import Arena
from tests.faults.table.scenario import scenario
from tests.faults.table.supervised import OWNED


@scenario("MariaDB killed with -9 while the partitions are being taken, three times")
def mariadb_killed_at_the_start(arena: Arena) -> str:
    return killed_at_the_start(arena, arena.servers.mariadb)


@scenario("Kafka killed with -9 while the partitions are being taken, three times")
def kafka_killed_at_the_start(arena: Arena) -> str:
    return killed_at_the_start(arena, arena.servers.kafka)


def killed_at_the_start(arena: Arena, server: Server) -> str:
    """Start the dataflow anew and kill a server: at once, at the first partition that is owned, and at the third."""
    owned = []
    for moment in (0, 1, 3):
        arena.dataflow.stop()
        since = len(arena.dataflow.log())
        arena.dataflow.start()
        arena.dataflow.wait_for_log(OWNED, times=moment, since=since)
        server.kill()
        owned.append(arena.dataflow.log(since).count(OWNED))
        server.start()
        arena.wait_for_progress(3000)
    return f"killed when {owned} of 4 partitions were owned"
