"""Where a scenario takes place: servers of its own behind networks, a growing log, and a dataflow that is watched."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mariadb as driver
import psutil
import pytest

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient
from ops.provision import provision
from ops.servers import ROOT, Servers
from ops.servers.kafka import Kafka
from settings import Settings
from tests.faults.table.network import Network
from tests.pipeline import check_all, check_promise_1, ops, progressed
from tests.support import own_names, process_environment, produce, query, remove, wait_until
from tests.traffic import Sent, Truth, traffic

PER_S = 3000
_STEP = 300


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


@dataclass
class Watched:
    """What the watcher has seen: how often every row was compared, and what was wrong."""

    checks: int = 0
    faults: list[str] = field(default_factory=list)
    highest: int = 0


class Arena:
    """One scenario's pipeline: 2 processes under `ops run`, visits that flow, and invariants that are checked."""

    def __init__(self, servers: "TableServers", folder: Path, seed: int) -> None:
        self.servers = servers
        self.folder = folder
        self.seed = seed
        self.environment = own_names(servers.servers)
        self.settings = Settings.from_environment(self.environment)  # directly to the servers
        through = {"MARIADB_PORT": str(servers.mariadb_network.port)}
        self.dataflow_environment = self.environment | through
        self.truth = Truth([])
        self.watched = Watched()
        self.runner: psutil.Process | None = None
        self._sent = 0
        self._stop = threading.Event()
        self._truth_lock = threading.Lock()

    @property
    def workers(self) -> list[psutil.Process]:
        """The dataflow's processes."""
        assert self.runner is not None
        return self.runner.children()

    def log(self) -> str:
        """Return what `ops run` and its processes have written."""
        return (self.folder / "run.log").read_text(encoding="utf-8", errors="replace")

    def administer(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement as MariaDB's administrator, on the pipeline's database."""
        return query(self.settings, statement)

    def send(self, sent: list[Sent]) -> None:
        """Send messages, and add them to the truth before they can be counted."""
        with self._truth_lock:
            self.truth.add(sent)
            self._sent += len(sent)
        produce(self.settings, [(message.partition, message.value) for message in sent])

    def counted(self) -> int:
        """Return how many messages are counted; what it was before where MariaDB cannot be reached."""
        return progressed(self.settings) if self.is_reachable() else -1

    def is_reachable(self) -> bool:
        """Return whether MariaDB answers; the tests' own queries wait for a minute until it does."""
        try:
            mariadb.connect(Login.admin(self.settings)).close()
        except (ConnectionLost, Transient):
            return False
        return True

    def wait_for_progress(self, messages: int, *, deadline_s: float = 120) -> None:
        """Wait until so many more are counted."""
        goal = max(0, self.counted()) + messages
        wait_until(
            lambda: self.counted() >= goal, deadline_s=deadline_s, what=lambda: f"{goal} counted; {self.log()[-1500:]}"
        )

    def wait_until_all_is_counted(self, *, deadline_s: float = 300) -> float:
        """Wait until all that was sent is counted; return how many seconds that took."""
        began = time.monotonic()
        wait_until(
            lambda: self.counted() == self._sent,
            deadline_s=deadline_s,
            what=lambda: f"{self._sent} counted; {self.counted()} are; {self.log()[-3000:]}",
        )
        return time.monotonic() - began

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the dataflow as its users keep it running."""
        with (self.folder / "run.log").open("ab") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "ops", "run", "-p", "2"],
                cwd=ROOT,
                env=process_environment(self.dataflow_environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        self.runner = psutil.Process(process.pid)
        try:
            yield
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait(30)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Send visits at a steady rate for as long as this lasts, whatever happens to the servers."""
        failures: list[BaseException] = []
        stop = threading.Event()

        def send() -> None:
            seed = self.seed
            try:
                while not stop.wait(_STEP / PER_S):
                    seed += 1
                    self.send(traffic(_STEP, seed=seed))
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        assert not failures, failures

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Compare every row with the log once a second for as long as this lasts."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            if not self.is_reachable():
                continue
            try:
                self.check()
            except AssertionError as error:
                self.watched.faults.append(str(error)[:500])
            except (driver.Error, pytest.fail.Exception):  # it became unavailable meanwhile: nothing can be compared
                continue

    def check(self) -> None:
        """Compare every row, the counts, the boards with each other; no total has fallen."""
        with self._truth_lock:
            counted = check_promise_1(self.settings, self.truth)
        by_board = query(
            self.settings,
            "SELECT length_s, COUNT(DISTINCT visits), COUNT(*) FROM (SELECT length_s, board, SUM(visits) AS visits "
            "FROM window_totals GROUP BY length_s, board) AS boards GROUP BY length_s",
        )
        assert all(row[1:] == (1, 2) for row in by_board), by_board
        assert counted >= self.watched.highest, f"{counted} counted, {self.watched.highest} before"
        self.watched.highest = counted
        self.watched.checks += 1

    def check_the_end(self) -> None:
        """Compare every row, cart and reject at the end of the log, also by `verify`."""
        check_all(self.settings, self.truth)
        verified = ops(self.environment, "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr


class TableServers:
    """Servers that all scenarios share; each has a network before it."""

    def __init__(self, folder: Path) -> None:
        self.servers = Servers(folder, {})
        kafka = ProxiedKafka(folder, self.servers.notes)
        self.servers.kafka = kafka
        self.kafka = kafka
        kafka.start()
        assert self.servers.mariadb is not None
        self.mariadb = self.servers.mariadb
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


@contextmanager
def arena(servers: TableServers, folder: Path, seed: int) -> Iterator[Arena]:
    """Make a pipeline of a scenario's own, and remove it."""
    place = Arena(servers, folder, seed)
    try:
        provision(place.settings)
        yield place
    finally:
        servers.calm()
        remove(place.settings)
