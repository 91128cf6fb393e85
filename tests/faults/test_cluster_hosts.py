"""One cluster on several hosts under `ops run`: the network fails, a host fails, the promises hold.

Linux network namespaces are the hosts, each with an address, and a link that can be taken down.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from settings import Settings
from tests.hosts import Network, refuse_without_rights
from tests.pipeline import check_all, check_promise_1, no_process_left, ops, progressed
from tests.support import process_environment, produce, wait_until
from tests.traffic import Sent, Truth, traffic

PORT = 2101
MESSAGES = 60_000


class Cluster:
    """`ops run` on every host of a network, each with the process of its number."""

    def __init__(self, network: Network, environment: dict[str, str], folder: Path) -> None:
        self.network = network
        self._folder = folder
        kafka = environment["KAFKA_BOOTSTRAP_SERVERS"]
        mariadb = f"{environment['MARIADB_HOST']}:{environment['MARIADB_PORT']}"
        network.serve([kafka, mariadb], advertised=[kafka])
        reached = {
            "KAFKA_BOOTSTRAP_SERVERS": f"{network.here}:{kafka.rpartition(':')[2]}",
            "MARIADB_HOST": network.here,
        }
        self._environ = process_environment(environment | reached)
        self.runners = [self._started(host) for host in range(len(network.addresses))]

    def worker(self, host: int) -> psutil.Process:
        """Return the worker process of a host."""
        (worker,) = wait_until(psutil.Process(self.runners[host].pid).children, deadline_s=20, what="a worker")
        return worker

    def lose_power(self, host: int) -> None:
        """Kill all processes of a host; with its link down no other host is notified."""
        worker = self.worker(host)
        self.runners[host].kill()
        self.runners[host].wait(30)
        wait_until(lambda: no_process_left([worker.pid]), deadline_s=10, what="the worker's end")

    def start_again(self, host: int) -> None:
        self.runners[host] = self._started(host)

    def owned_partitions(self, host: int) -> int:
        """Return how many partitions a host has owned, however often it has started."""
        return len(set(re.findall(r"partition (\d+) owned from offset ", self.output(host))))

    def output(self, host: int) -> str:
        return self._log(host).read_text(encoding="utf-8", errors="replace")

    def stop(self) -> list[int]:
        """End all with SIGTERM; return their codes."""
        for runner in self.runners:
            runner.send_signal(signal.SIGTERM)
        return [runner.wait(10) for runner in self.runners]

    def _started(self, host: int) -> subprocess.Popen[bytes]:
        addresses = ";".join(f"{address}:{PORT}" for address in self.network.addresses)
        command = [sys.executable, "-m", "ops", "run", "--process", str(host), "--addresses", addresses]
        with self._log(host).open("ab") as log:
            return self.network.start(host, command, self._environ, stdout=log, stderr=log)

    def _log(self, host: int) -> Path:
        return self._folder / f"host{host}.log"


@contextmanager
def cluster_of(hosts: int, environment: dict[str, str], folder: Path) -> Iterator[Cluster]:
    """Run a cluster; nothing of it or of its network is left afterwards."""
    refuse_without_rights()
    with Network(hosts) as network:
        yield Cluster(network, environment, folder)


@pytest.fixture
def sent() -> list[Sent]:
    return traffic(MESSAGES, seed=21)


def send(settings: Settings, sent: list[Sent], begin: int, end: int) -> None:
    produce(settings, [(message.partition, message.value) for message in sent[begin:end]])


def wait_for(settings: Settings, cluster: Cluster, messages: int) -> None:
    hosts = range(len(cluster.runners))
    wait_until(
        lambda: progressed(settings) >= messages,
        deadline_s=240,
        what=lambda: f"{messages} counted; " + " | ".join(cluster.output(host)[-600:] for host in hosts),
    )


def test_two_hosts_with_a_link_down_in_mid_run(
    settings: Settings, environment: dict[str, str], tmp_path: Path, sent: list[Sent]
) -> None:
    """Both own partitions; while one cannot be reached no total is wrong, and afterwards both continue."""
    truth = Truth(sent)
    with cluster_of(2, environment, tmp_path) as cluster:
        send(settings, sent, 0, 20_000)
        wait_for(settings, cluster, 20_000)
        assert [cluster.owned_partitions(host) for host in range(2)] == [2, 2]
        with cluster.network.link_down(1):
            send(settings, sent, 20_000, 40_000)
            wait_until(lambda: cluster.network.retransmissions(1) >= 4, deadline_s=30, what="retransmissions")
            assert check_promise_1(settings, truth) < 40_000, "a host without its link cannot have counted"
        send(settings, sent, 40_000, MESSAGES)
        wait_for(settings, cluster, MESSAGES)
        assert cluster.stop() == [0, 0]
    check_all(settings, truth)


def test_three_hosts_of_which_one_fails(
    settings: Settings, environment: dict[str, str], tmp_path: Path, sent: list[Sent]
) -> None:
    """A worker is killed, then a host loses power: each time the others are restarted and all continue together."""
    truth = Truth(sent)
    with cluster_of(3, environment, tmp_path) as cluster:
        send(settings, sent, 0, 20_000)
        wait_for(settings, cluster, 20_000)
        assert sorted(cluster.owned_partitions(host) for host in range(3)) == [1, 1, 2]

        cluster.worker(1).kill()
        send(settings, sent, 20_000, 40_000)
        wait_for(settings, cluster, 40_000)
        check_promise_1(settings, truth)

        with cluster.network.link_down(2):
            cluster.lose_power(2)
            send(settings, sent, 40_000, 50_000)
        cluster.start_again(2)
        send(settings, sent, 50_000, MESSAGES)
        wait_for(settings, cluster, MESSAGES)
        assert cluster.stop() == [0, 0, 0]
    check_all(settings, truth)
    verified = ops(environment, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_nothing_is_left_of_a_network_after_a_failure() -> None:
    """Namespaces and links are removed, also after an exception, and with processes still running there."""
    refuse_without_rights()
    before = _namespaces_and_links()
    processes = []

    def fail() -> None:
        with Network(2) as network:
            processes.append(network.start(0, ["sleep", "100"], {}))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert _namespaces_and_links() == before
    assert processes[0].returncode == -signal.SIGKILL


def _namespaces_and_links() -> list[str]:
    commands = (["ip", "netns", "list"], ["ip", "-o", "link", "show", "type", "veth"])
    return [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands]
