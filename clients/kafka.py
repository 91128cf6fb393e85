"""Topics, offsets and messages of Kafka, and how its errors read."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar, cast

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from clients import kafka_config
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

Answer = TypeVar("Answer")

MAX_MESSAGE_BYTES = 1_000_000_000  # the most that librdkafka can send; topics and brokers set the real limit
_MOVING_S = 0.1

_REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)

# _NOENT is librdkafka's "no leaders found".
_UNAVAILABLE = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._NOENT,
    }
)

# A broker's errors for a partition while its leader changes, or while the broker has only just started.
_MOVING = frozenset(
    {
        KafkaError._NOENT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)


def offset_of(message: Message) -> int:
    """Return the offset of a message, or of an event at the partition's end: what a consumer returns has one."""
    return cast(int, message.offset())


def printable(value: bytes | None) -> str:
    r"""Return a message's bytes on one line: as text where it is printable, else escaped (\x00, \n); null is \N."""
    if value is None:
        return r"\N"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return repr(value)[2:-1]
    return text if text.isprintable() else repr(value)[2:-1]


class Topic(NamedTuple):
    """A topic as Kafka describes it."""

    name: str
    topic_id: str
    partitions: int


def _as_kafka_writes(topic_id: str) -> str:
    """Return a topic id as Kafka's own tools show it: librdkafka uses the alphabet that has a slash."""
    return topic_id.replace("+", "-").replace("/", "_")


@contextmanager
def translated(doing: str, admin: AdminClient | None = None) -> Iterator[None]:
    """Translate an error of Kafka into the one that ends the run; `doing` names what was tried, perhaps by `admin`.

    :raises Fatal: always CONFIG where Kafka refuses us, UNAVAILABLE where it cannot be reached.
    """
    try:
        yield
    except KafkaException as error:
        if admin:
            admin.poll(0)  # its connections' errors are only delivered here
        raise fatal_of(error.args[0], doing) from error


def fatal_of(error: KafkaError, doing: str) -> Fatal:
    """Return the error that ends the run for an error of Kafka."""
    text = f"{doing}: {error.name()}: {error.str().strip()}"
    if error.code() == KafkaError._INVALID_ARG:
        return Fatal(f"{text}; check the KAFKA_CONFIG_* variables", ExitCode.CONFIG)
    if error.code() in _REFUSED:
        return Fatal(f"{text}; check the credentials in KAFKA_CONFIG_* and the topics' ACLs", ExitCode.CONFIG)
    if error.code() in _UNAVAILABLE:
        why = kafka_config.connection_errors.recent()
        if why and why.code() in _REFUSED:
            return fatal_of(why, doing)
        because = f" ({why.str()})" if why else ""
        message = f"{text}{because}; is Kafka running, and is KAFKA_BOOTSTRAP_SERVERS right?"
        return Fatal(message, ExitCode.UNAVAILABLE)
    return Fatal(text, ExitCode.ABORTED)


def admin_client(settings: Settings) -> AdminClient:
    """Return an admin client; nothing is sent yet.

    :raises Fatal: a KAFKA_CONFIG_* variable is wrong.
    """
    with translated("KAFKA_CONFIG_*"):
        return kafka_config.created(AdminClient, settings, kafka_config.client_config(settings))


def describe(admin: AdminClient, settings: Settings, topics: Iterable[str]) -> dict[str, Topic | None]:
    """Return topics by name; one that does not exist is None.

    :raises Fatal: Kafka is unavailable or refuses.
    """
    names = list(topics)
    found: dict[str, Topic | None] = {}
    doing = f"Kafka at {settings.kafka_bootstrap_servers}"
    with translated(doing, admin):
        answers = admin.describe_topics(TopicCollection(names), request_timeout=kafka_config.REQUEST_TIMEOUT_S)
        for name in names:
            try:
                description = answers[name].result()
                found[name] = Topic(name, _as_kafka_writes(str(description.topic_id)), len(description.partitions))
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
                found[name] = None
    return found


def retried_while_leaders_move(request: Callable[[], Answer]) -> Answer:
    """Return a request's answer; while a partition has no leader just now, repeat it for 10 s.

    A broker that was started, or a topic that was created, a moment ago is such a case too: metadata names a leader
    before the broker has taken the partition over.

    :raises KafkaException: any other error, or the same one for too long.
    """
    deadline = Deadline(kafka_config.REQUEST_TIMEOUT_S)
    while True:
        try:
            return request()
        except KafkaException as error:
            if error.args[0].code() not in _MOVING or deadline.passed:
                raise
        time.sleep(_MOVING_S)


def offsets(
    admin: AdminClient, topic: str, partitions: Iterable[int], spec: OffsetSpec, isolation: IsolationLevel
) -> dict[int, int]:
    """Return an offset per partition: the log's start, or its end as a reader of this isolation sees it.

    Waits 10 s at most for a leader, where there is none just now.

    :raises Fatal: Kafka is unavailable, refuses, or has no such partition.
    """
    requested = {TopicPartition(topic, partition): spec for partition in partitions}

    def listed() -> dict[int, int]:
        answers: dict[TopicPartition, Future[Any]] = admin.list_offsets(
            requested, isolation_level=isolation, request_timeout=kafka_config.REQUEST_TIMEOUT_S
        )
        return {at.partition: future.result().offset for at, future in answers.items()}

    with translated(f"offsets of topic {topic!r}", admin):
        return retried_while_leaders_move(listed)


def bounds(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """Return the log's start, and its end as this consumer sees it: by its isolation level.

    Both at once and on this thread: an admin client's answer takes a thread of its own, and two waits for the GIL.

    :raises Fatal: as `offsets`.
    """
    at = TopicPartition(topic, partition)
    with translated(f"offsets of topic {topic!r}"):
        return retried_while_leaders_move(
            lambda: consumer.get_watermark_offsets(at, timeout=kafka_config.REQUEST_TIMEOUT_S)
        )


def topic_config(admin: AdminClient, topic: str) -> dict[str, str]:
    """Return a topic's configuration, the broker's defaults included.

    :raises Fatal: Kafka is unavailable or refuses.
    """
    resource = ConfigResource(ResourceType.TOPIC, topic)
    with translated(f"configuration of topic {topic!r}"):
        described = admin.describe_configs([resource], request_timeout=kafka_config.REQUEST_TIMEOUT_S)[resource]
        return {name: str(entry.value) for name, entry in described.result().items()}


def largest_batch(admin: AdminClient, topic: str) -> int:
    """Return the bytes of the largest batch that a topic takes.

    :raises Fatal: Kafka is unavailable or refuses.
    """
    return int(topic_config(admin, topic)["max.message.bytes"])


def refuse_compacted(admin: AdminClient, topic: str) -> None:
    """Refuse an input topic that Kafka compacts: compaction deletes visits that have a key.

    :raises Fatal: CONFIG when cleanup.policy names compact.
    """
    policy = topic_config(admin, topic)["cleanup.policy"]
    if "compact" in policy:
        message = (
            f"topic {topic!r} has cleanup.policy={policy}, which forgets visits; it must be delete: "
            f"kafka-configs --alter --topic {topic} --add-config cleanup.policy=delete"
        )
        raise Fatal(message, ExitCode.CONFIG)
