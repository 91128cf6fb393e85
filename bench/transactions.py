"""How many Kafka transactions the dataflow has committed, by what they leave in its output topics."""

import time

from confluent_kafka import IsolationLevel
from confluent_kafka.admin import AdminClient, OffsetSpec

from clients import kafka
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

_OPEN_S = 20.0
_POLL_S = 0.01


def control_records(settings: Settings, partitions: int, outputs: int) -> int:
    """Return how many control records both output topics hold beside so many carts and rejected visits.

    Every committed transaction leaves one in each partition that it wrote to.

    :raises Fatal: Kafka is unavailable, or a transaction stays open.
    """
    admin = kafka.admin_client(settings)
    topics = (settings.carts_topic, settings.rejected_topic)
    return sum(_settled_end(admin, topic, partitions) for topic in topics) - outputs


def _settled_end(admin: AdminClient, topic: str, partitions: int) -> int:
    """Return the sum of the partitions' ends; Kafka answers a commit before it writes the control records."""
    deadline = Deadline(_OPEN_S)
    while True:
        visible = _ends(admin, topic, partitions, IsolationLevel.READ_COMMITTED)
        if visible == _ends(admin, topic, partitions, IsolationLevel.READ_UNCOMMITTED):
            return sum(visible.values())
        if deadline.passed:
            raise Fatal(f"topic {topic!r}: a transaction is still open after {_OPEN_S:.0f} s", ExitCode.ABORTED)
        time.sleep(_POLL_S)


def _ends(admin: AdminClient, topic: str, partitions: int, isolation: IsolationLevel) -> dict[int, int]:
    return kafka.offsets(admin, topic, range(partitions), OffsetSpec.latest(), isolation)
