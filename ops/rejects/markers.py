"""What has been sent back: a compacted topic beside the rejected visits, one marker for each visit sent."""

import time
from contextlib import closing

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from clients import kafka, kafka_config
from ops.topics import topic_config
from oracle.log import Reader, extents
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

_LEADER_S = 20.0
_POLL_S = 0.1


def markers_topic(settings: Settings) -> str:
    """Return the markers' topic."""
    return f"{settings.rejected_topic}.replayed"


def read_markers(settings: Settings, admin: AdminClient) -> set[str]:
    """Return what every marker names, topic_id/partition/offset; none where nothing was ever sent back.

    :raises Fatal: Kafka cannot be reached, or a transaction over the markers stays open.
    """
    name = markers_topic(settings)
    topic = kafka.describe(admin, settings, [name])[name]
    if topic is None:
        return set()
    partitions = enumerate(extents(admin, name, topic.partitions, settled=True))
    with closing(Reader(settings, name)) as reader:
        records = (message for number, extent in partitions for _, message in reader.records(number, extent))
        return {(message.key() or b"").decode(errors="replace") for message in records}


def ensure_markers_topic(settings: Settings, admin: AdminClient) -> None:
    """Create the topic if it does not exist: one partition, compacted, so that no marker ever expires.

    :raises Fatal: Kafka cannot be reached or refuses, or the topic is not compacted.
    """
    name = markers_topic(settings)
    if kafka.describe(admin, settings, [name])[name] is None:
        # -1: the broker's own replication
        topic = NewTopic(name, num_partitions=1, replication_factor=-1, config={"cleanup.policy": "compact"})
        try:
            admin.create_topics([topic])[name].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise kafka.fatal_of(error.args[0], f"creating topic {name!r}") from error
    _wait_for_leader(settings, admin, name)
    policy = topic_config(admin, name)["cleanup.policy"]
    if policy != "compact":
        message = f"topic {name!r} has cleanup.policy={policy}, which forgets what was sent back; it must be compact"
        raise Fatal(message, ExitCode.CONFIG)


def _wait_for_leader(settings: Settings, admin: AdminClient, name: str) -> None:
    deadline = Deadline(_LEADER_S)
    while True:
        with kafka.translated(f"topic {name!r}"):
            found = admin.list_topics(name, timeout=kafka_config.REQUEST_TIMEOUT_S).topics[name]
        if found.error is None and found.partitions and all(part.leader >= 0 for part in found.partitions.values()):
            return
        if deadline.passed:
            message = f"topic {name!r} has no leader after {_LEADER_S:.0f} s"
            raise Fatal(message, ExitCode.UNAVAILABLE)
        time.sleep(_POLL_S)
