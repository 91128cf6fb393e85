"""The topics: created where missing, grown where they have too few partitions, and emptied."""

import logging
import time
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from clients import kafka, kafka_config
from operators.outputs import output_topics
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

HEADERS_BYTES = 65_536
"""The most that a rejected visit's headers add to its bytes."""

_VISIBLE_S = 20.0  # the controller knows a new topic first, every broker a moment later
_POLL_S = 0.1

logger = logging.getLogger(__name__)


def refuse_unfit(admin: AdminClient, settings: Settings) -> None:
    """Refuse existing topics that are compacted; nothing is changed.

    :raises Fatal: Kafka is unavailable or refuses, or the topic of visits or of rejected visits is compacted.
    """
    names = (settings.visits_topic, settings.rejected_topic)  # rejected visits keep their keys, which may repeat
    for name, topic in kafka.describe(admin, settings, names).items():
        if topic is not None:
            kafka.refuse_compacted(admin, name)


def ensure_visits(admin: AdminClient, settings: Settings) -> kafka.Topic:
    """Return the input topic; create it if it does not exist.

    :raises Fatal: Kafka is unavailable or refuses.
    """
    name = settings.visits_topic
    if kafka.describe(admin, settings, [name])[name] is None:
        _create(admin, name, settings.visits_partitions, {})
    return wait_for_leaders(admin, settings, name, 1)


def ensure_outputs(admin: AdminClient, settings: Settings, visits: kafka.Topic) -> None:
    """Create the output topics, or grow them to the input's partitions; any message of the input fits when rejected.

    :raises Fatal: Kafka is unavailable or refuses.
    """
    largest = kafka.largest_batch(admin, visits.name) + HEADERS_BYTES
    own: dict[str, dict[str, str]] = {topic: {} for topic in output_topics(settings)}
    own[settings.rejected_topic]["max.message.bytes"] = str(largest)
    present = kafka.describe(admin, settings, own)
    for name, config in own.items():
        topic = present[name]
        if topic is None:
            _create(admin, name, visits.partitions, config)
        elif topic.partitions < visits.partitions:
            _grow(admin, name, visits.partitions)
        wait_for_leaders(admin, settings, name, visits.partitions)
    if kafka.largest_batch(admin, settings.rejected_topic) < largest:
        _set_config(admin, settings.rejected_topic, "max.message.bytes", str(largest))


def empty(admin: AdminClient, topic: kafka.Topic) -> None:
    """Delete all records of a topic; it stays the same topic.

    :raises Fatal: Kafka is unavailable or refuses.
    """
    ends = [TopicPartition(topic.name, partition, -1) for partition in range(topic.partitions)]

    def deleted() -> None:
        for future in admin.delete_records(ends, request_timeout=kafka_config.REQUEST_TIMEOUT_S).values():
            future.result()

    with kafka.translated(f"emptying topic {topic.name!r}"):
        kafka.retried_while_leaders_move(deleted)


def wait_for_leaders(admin: AdminClient, settings: Settings, name: str, partitions: int) -> kafka.Topic:
    """Wait until a topic has at least so many partitions, and a leader for each; return the topic.

    :raises Fatal: UNAVAILABLE after 20 s; Kafka is unavailable or refuses.
    """
    deadline = Deadline(_VISIBLE_S)
    while True:
        topic = kafka.describe(admin, settings, [name])[name]
        if topic is not None and topic.partitions >= partitions and _has_leaders(admin, topic):
            return topic
        if deadline.passed:
            message = f"topic {name!r} has no leader for each of {partitions} partitions after {_VISIBLE_S:.0f} s"
            raise Fatal(message, ExitCode.UNAVAILABLE)
        time.sleep(_POLL_S)


def _create(admin: AdminClient, name: str, partitions: int, config: dict[str, str]) -> None:
    topic = NewTopic(name, num_partitions=partitions, replication_factor=-1, config=config)  # -1: the broker's own
    future = admin.create_topics([topic])[name]
    _refuse_collision(future, name)
    if _done(future, f"creating topic {name!r}", KafkaError.TOPIC_ALREADY_EXISTS):
        logger.info("topic %s created with %d partitions", name, partitions)


def _refuse_collision(future: "Future[Any]", name: str) -> None:
    error: Any = future.exception()
    if error and error.args[0].code() == KafkaError.TOPIC_EXCEPTION:
        message = (
            f"topic {name!r} cannot be created: {error.args[0].str()}; choose another name: in its metrics Kafka takes "
            ". and _ for the same"
        )
        raise Fatal(message, ExitCode.CONFIG)


def _grow(admin: AdminClient, name: str, partitions: int) -> None:
    growth = admin.create_partitions([NewPartitions(name, partitions)])
    if _done(growth[name], f"growing topic {name!r}", KafkaError.INVALID_PARTITIONS):
        logger.info("topic %s grown to %d partitions", name, partitions)


def _set_config(admin: AdminClient, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    with kafka.translated(f"setting {name} of topic {topic!r}"):
        admin.incremental_alter_configs([resource])[resource].result()
    logger.info("topic %s: %s set to %s", topic, name, value)


def _done(future: "Future[Any]", doing: str, already_done: int) -> bool:
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() != already_done:
            raise kafka.fatal_of(error.args[0], doing) from error
        return False
    return True


def _has_leaders(admin: AdminClient, topic: kafka.Topic) -> bool:
    with kafka.translated(f"partitions of topic {topic.name!r}"):
        partitions = admin.list_topics(topic.name, timeout=kafka_config.REQUEST_TIMEOUT_S).topics[topic.name].partitions
    return len(partitions) >= topic.partitions and all(at.leader >= 0 for at in partitions.values())
