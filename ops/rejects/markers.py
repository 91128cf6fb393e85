"""What has been sent back: a compacted topic beside the rejected visits, one marker for each visit sent."""

from contextlib import closing

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from clients import kafka
from ops.topics import wait_for_leaders
from oracle.log import Reader, extents
from process.errors import ExitCode, Fatal
from settings import Settings


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
    wait_for_leaders(admin, settings, name, 1)
    policy = kafka.topic_config(admin, name)["cleanup.policy"]
    if policy != "compact":
        message = f"topic {name!r} has cleanup.policy={policy}, which forgets what was sent back; it must be compact"
        raise Fatal(message, ExitCode.CONFIG)
