"""The servers that all scenarios share, each behind a network that can be disturbed."""

from collections.abc import Callable
from pathlib import Path

from ops.servers import Servers
from ops.servers.kafka import Kafka
from ops.servers.mariadb import MariaDB
from tests.faults.table.network import Network


class ProxiedKafka(Kafka):
    """A broker that tells its clients to come through a network; its own address leads to it directly."""

    network: Network | None = None

    def _configure(self) -> Path:
        path = super()._configure()
        direct = f"advertised.listeners=PLAINTEXT://127.0.0.1:{self._notes.kafka_port}"
        if self.network is None:
            self.network = Network(int(self._notes.kafka_port or 0))
        proxied = f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.network.port}"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(direct, proxied), encoding="utf-8")
        return path


class TableServers:
    """Kafka and MariaDB, and a network before each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers = Servers(folder, {})
        self.kafka = ProxiedKafka(folder, self.servers.notes)
        self.mariadb = MariaDB(folder, self.servers.notes)
        self.servers.kafka, self.servers.mariadb = self.kafka, self.mariadb
        self.kafka.start()
        self.mariadb.start()
        self.mariadb_network = Network(int(self.servers.environment()["MARIADB_PORT"]))

    @property
    def kafka_network(self) -> Network:
        """The network before Kafka."""
        assert self.kafka.network is not None
        return self.kafka.network

    def calm(self) -> None:
        """Undo what a scenario did to the networks and servers, as far as it left anything."""
        for network in (self.kafka_network, self.mariadb_network):
            network.delay_s, network.bytes_per_s, network.stalled, network.loses_reply_to = 0.0, 0, False, None
        self.kafka.start()
        self.mariadb.start()

    def delete(self) -> None:
        """Stop the servers and remove their data."""
        self.servers.delete()


def restart(server: Kafka | MariaDB) -> str:
    """Stop a server cleanly and start it again; return the proof."""
    before = server.pid()
    server.stop()
    server.start()
    assert server.pid() != before
    return f"pid {before} became {server.pid()}"


def kill(server: Kafka | MariaDB, times: int, *, before_each: Callable[[], None]) -> str:
    """Kill a server with -9 and start it again, so many times; return the proof."""
    pids = [server.pid()]
    for _ in range(times):
        before_each()
        server.kill()
        server.start()
        pids.append(server.pid())
    assert len(set(pids)) == times + 1
    return f"pids {pids}"
