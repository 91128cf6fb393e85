"""Kafka is restarted or killed, or its disk is full."""

from tests.faults.table.arena import Arena
from tests.faults.table.disk import small_disk
from tests.faults.table.scenario import hold, scenario
from tests.faults.table.servers import kill, restart
from tests.support import wait_until


@scenario("Kafka stopped cleanly and started again")
def kafka_restarted(arena: Arena) -> str:
    return restart(arena.servers.kafka)


@scenario("Kafka killed with -9, five times")
def kafka_killed(arena: Arena) -> str:
    return kill(arena.servers.kafka, 5, before_each=lambda: arena.wait_for_progress(3000))


@scenario("Kafka's disk full: the broker ends, and is started again 10 s later with space")
def kafka_disk_full(arena: Arena) -> str:
    with small_disk(arena.servers, arena.servers.kafka) as disk:
        arena.wait_for_progress(3000)
        broker = arena.servers.kafka.pid()
        ballast = disk.fill()
        wait_until(lambda: arena.servers.kafka.pid() is None, deadline_s=120, what="the broker's end")
        hold(10)
        disk.free()
        arena.servers.kafka.start()
        arena.wait_for_progress(3000)
    return f"broker {broker} ended, with {ballast / 1_000_000:.0f} MB of ballast on its disk"
