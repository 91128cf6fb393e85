"""How many messages wait in Kafka, per partition: for the health strip; the boards themselves do not need Kafka."""

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import IsolationLevel
from confluent_kafka.admin import AdminClient, OffsetSpec

from clients import kafka
from process.errors import Fatal
from settings import Settings

POLL_S = 1.0
RETRY_S = 5.0  # while Kafka is unavailable

logger = logging.getLogger(__name__)


class Ends(NamedTuple):
    """The end of every partition as a read_committed reader sees it, or why it is unknown."""

    ends: dict[int, int]
    why: str | None


Partitions = Callable[[], tuple[str, list[int]] | None]
"""The topic and the partitions to poll, None before they are known."""


class LagWatch:
    """Reads the ends of the input's partitions from Kafka every second, on a thread of its own."""

    def __init__(self, settings: Settings, partitions: Partitions, publish: Callable[[Ends], None]) -> None:
        self._settings = settings
        self._partitions = partitions
        self._publish = publish
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Stop polling; a request that hangs is abandoned, and ends with the process."""
        self._stopping.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        admin: AdminClient | None = None
        pause_s = 0.0
        while not self._stopping.wait(pause_s):
            target = self._partitions()
            pause_s = POLL_S if target else 0.2
            if not target:
                continue
            try:
                admin = admin or kafka.admin_client(self._settings)
                topic, partitions = target
                ends = kafka.offsets(admin, topic, partitions, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)
                self._publish(Ends(ends, None))
            except Fatal as fatal:
                self._publish(Ends({}, fatal.message))
                pause_s = RETRY_S
