"""How many messages wait in Kafka, per partition: for the health strip, the board itself does not need Kafka."""

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import IsolationLevel
from confluent_kafka.admin import AdminClient, OffsetSpec

from clients import kafka
from process.errors import Fatal
from settings import Settings

LOOK_S = 1.0
AGAIN_S = 5.0  # while Kafka is away

logger = logging.getLogger(__name__)


class Ends(NamedTuple):
    """The end of every partition as a read_committed reader sees it, or why nobody knows."""

    ends: dict[int, int]
    why: str | None


Partitions = Callable[[], tuple[str, list[int]] | None]
"""The topic and the partitions to ask for, None before they are known."""


class LagWatch:
    """Asks Kafka every second for the ends of the input's partitions, on a thread of its own."""

    def __init__(self, settings: Settings, partitions: Partitions, publish: Callable[[Ends], None]) -> None:
        self._settings = settings
        self._partitions = partitions
        self._publish = publish
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Stop asking; a question without answer is left to end with the process."""
        self._stopping.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        admin: AdminClient | None = None
        pause_s = 0.0
        while not self._stopping.wait(pause_s):
            asked = self._partitions()
            pause_s = LOOK_S if asked else 0.2
            if not asked:
                continue
            try:
                admin = admin or kafka.admin_client(self._settings)
                spec, isolation = OffsetSpec.latest(), IsolationLevel.READ_COMMITTED
                self._publish(Ends(kafka.offsets(admin, *asked, spec, isolation), None))
            except Fatal as fatal:
                self._publish(Ends({}, fatal.message))
                pause_s = AGAIN_S
