"""Where a scenario takes place: a growing log, a dataflow that is watched, and servers that can be disturbed."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from clients import kafka, kafka_config
from ops.provision import provision
from settings import Settings
from tests.faults.clock import Clock
from tests.faults.load import flowing
from tests.faults.table.servers import TableServers
from tests.faults.table.supervised import Supervised
from tests.faults.table.watcher import Watcher, is_reachable
from tests.pipeline import check_outputs, ops, progressed
from tests.support import own_names, query, remove, wait_until
from tests.traffic import Sent, Truth, traffic

PER_S = 3000
STEP = 300


class Arena:
    """One scenario's pipeline: two processes under `ops run`, visits that flow, and invariants that are checked."""

    def __init__(
        self, servers: TableServers, folder: Path, seed: int, more: Mapping[str, str], clock: Clock | None
    ) -> None:
        self.servers = servers
        self.folder = folder
        self.seed = seed
        self.environment = own_names(servers.servers) | dict(more)
        self.settings = Settings.from_environment(self.environment)  # directly to the servers
        self._clock = clock
        through = {"MARIADB_PORT": str(servers.mariadb_network.port)} | (clock.environment if clock else {})
        self.dataflow = Supervised(self.environment | through, folder / "run.log")
        self.truth = Truth([], self.settings.window_lengths_s)
        self.growing = threading.Lock()
        self.sending = threading.Lock()
        self.watcher = Watcher(self.settings, self.truth, self.growing, self.dataflow)

    @property
    def clock(self) -> Clock:
        """The system clock of the dataflow's processes, in a scenario that has one."""
        assert self._clock is not None
        return self._clock

    def administer(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement as MariaDB's administrator, on the pipeline's database."""
        return query(self.settings, statement)

    def send(self, sent: list[Sent]) -> None:
        """Send messages, and return when Kafka has all of them."""
        with self.sending:
            self.expect(sent)
            self._produce(sent)

    def expect(self, sent: list[Sent]) -> None:
        """Add messages to the truth: before they can be counted, and while no others are being sent."""
        with self.growing:
            self.truth.add(sent)

    def _produce(self, sent: list[Sent]) -> None:
        errors: list[KafkaError] = []
        for message in sent:
            self._producer.produce(
                self.settings.visits_topic,
                message.value,
                partition=message.partition,
                on_delivery=partial(_note, errors),
            )
        left = self._producer.flush(240)
        assert (left, errors) == (0, [])

    @contextmanager
    def open(self) -> Iterator[None]:
        """Provision the pipeline, run the dataflow, and end both; the dataflow's end must be in order."""
        own: dict[str, Any] = {"enable_idempotence": True, "linger_ms": 5, "message_max_bytes": kafka.MAX_MESSAGE_BYTES}
        try:
            provision(self.settings)
            self._producer = Producer(kafka_config.client_config(self.settings, **own))
            self.dataflow.start()
            yield
            self.dataflow.stop()
        finally:
            self.dataflow.close()
            self.servers.calm()
            remove(self.settings)

    def flowing(self) -> AbstractContextManager[None]:
        """Send visits at a steady rate for as long as this lasts, whatever happens to the servers."""
        partitions = self.settings.visits_partitions
        parts = (traffic(STEP, partitions=partitions, seed=seed) for seed in count(self.seed + 1))
        return flowing(self.send, parts, every_s=STEP / PER_S, endless=True)

    def counted(self) -> int:
        """Return how many messages are counted; -1 where MariaDB cannot be reached."""
        return progressed(self.settings) if is_reachable(self.settings) else -1

    def _counts(self, condition: Callable[[], bool]) -> bool:
        self.dataflow.check_runs()
        return condition()

    def wait_for_every_partition(self) -> None:
        """Wait until visits of every partition are counted: none is still being taken."""
        idle = "SELECT COUNT(*) FROM progress WHERE messages = 0"
        wait_until(
            lambda: self._counts(lambda: self.administer(idle) == [(0,)]),
            deadline_s=180,
            what="visits of every partition",
        )

    def wait_for_progress(self, messages: int, *, deadline_s: float = 120) -> None:
        """Wait until so many more are counted."""
        goal = max(0, self.counted()) + messages
        wait_until(
            lambda: self._counts(lambda: self.counted() >= goal),
            deadline_s=deadline_s,
            what=lambda: f"{goal} counted; {self.counted()} are; {self.dataflow.log()[-1500:]}",
        )

    def wait_until_all_is_counted(self, *, deadline_s: float = 300) -> float:
        """Wait until all that was sent by now is counted, in every partition; return how many seconds that took."""
        began = time.monotonic()
        with self.growing:
            sent = {partition: self.truth.counts(partition, len(log))[0] for partition, log in self.truth.log.items()}
        wait_until(
            lambda: self._counts(lambda: self._has_counted(sent)),
            deadline_s=deadline_s,
            what=lambda: f"{sum(sent.values())} counted; {self.counted()} are; {self.dataflow.log()[-3000:]}",
        )
        return time.monotonic() - began

    def _has_counted(self, messages: Mapping[int, int]) -> bool:
        if not is_reachable(self.settings):
            return False
        counted = dict(query(self.settings, "SELECT kafka_partition, messages FROM progress"))
        return all(counted[partition] >= sent for partition, sent in messages.items())

    def check_the_end(self) -> None:
        """Compare every row, cart and reject at the end of the log, also by `verify`."""
        self.watcher.check()
        assert self.watcher.messages == self.truth.messages()
        check_outputs(self.settings, self.truth)
        verified = ops(self.environment, "verify", timeout_s=300)
        assert verified.returncode == 0, verified.stdout + verified.stderr


def _note(errors: list[KafkaError], error: KafkaError | None, _: Message) -> None:
    if error is not None:
        errors.append(error)
