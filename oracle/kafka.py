"""Topics, offsets and errors of Kafka as the recount reads them.

Of the pipeline's clients it has the connection settings alone: a mistake in clients/kafka.py shows in a comparison.
"""

import base64
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from clients import kafka_config
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

_LEADER_POLL_S = 0.1

_CREDENTIALS = frozenset(
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
_NO_LEADER_YET = frozenset(
    {
        KafkaError._NOENT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)


class Topic(NamedTuple):
    """A topic as Kafka describes it; `topic_id` as Kafka's own tools show it."""

    name: str
    topic_id: str
    partitions: int


def admin_client(settings: Settings) -> AdminClient:
    """Return an admin client; nothing is sent yet.

    :raises Fatal: a KAFKA_CONFIG_* variable is wrong.
    """
    with translated("KAFKA_CONFIG_*"):
        return kafka_config.created(AdminClient, settings, kafka_config.client_config(settings))


def existing_topics(admin: AdminClient, settings: Settings, names: Sequence[str]) -> list[Topic]:
    """Return the topics of these names, in their order.

    :raises Fatal: one does not exist; Kafka cannot be reached or refuses.
    """
    with translated(f"Kafka at {settings.kafka_bootstrap_servers}", admin):
        timeout_s = kafka_config.REQUEST_TIMEOUT_S
        futures = admin.describe_topics(TopicCollection(list(names)), request_timeout=timeout_s)
        topics = []
        for name in names:
            try:
                description = futures[name].result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
                message = f"topic {name!r} does not exist; run python -m ops provision"
                raise Fatal(message, ExitCode.CONFIG) from error
            topics.append(Topic(name, _base64(description.topic_id), len(description.partitions)))
    return topics


def offsets(
    admin: AdminClient, topic: str, partitions: Sequence[int], spec: OffsetSpec, isolation: IsolationLevel
) -> dict[int, int]:
    """Return an offset for each partition; waits 10 s at most for partitions without a leader.

    :raises Fatal: Kafka cannot be reached, refuses, or has no such partition.
    """
    deadline = Deadline(kafka_config.REQUEST_TIMEOUT_S)
    with translated(f"offsets of topic {topic!r}", admin):
        while True:
            try:
                return _offsets_now(admin, topic, partitions, spec, isolation)
            except KafkaException as error:
                if error.args[0].code() not in _NO_LEADER_YET or deadline.passed:
                    raise
            time.sleep(_LEADER_POLL_S)


def _offsets_now(
    admin: AdminClient, topic: str, partitions: Sequence[int], spec: OffsetSpec, isolation: IsolationLevel
) -> dict[int, int]:
    request = {TopicPartition(topic, partition): spec for partition in partitions}
    timeout_s = kafka_config.REQUEST_TIMEOUT_S
    futures = admin.list_offsets(request, isolation_level=isolation, request_timeout=timeout_s)
    return {place.partition: future.result().offset for place, future in futures.items()}


@contextmanager
def translated(doing: str, admin: AdminClient | None = None) -> Iterator[None]:
    """Turn an error of Kafka into a Fatal; `doing` names what was tried, perhaps by `admin`.

    :raises Fatal: always CONFIG where Kafka refuses us, UNAVAILABLE where it cannot be reached.
    """
    try:
        yield
    except KafkaException as error:
        if admin:
            admin.poll(0)  # runs the error callback of its connections
        raise fatal_of(error.args[0], doing) from error


def fatal_of(error: KafkaError, doing: str) -> Fatal:
    """Return the Fatal for an error of Kafka."""
    detail = f"{doing}: {error.name()}: {error.str()}"
    if error.code() == KafkaError._INVALID_ARG:
        return Fatal(f"{detail}; check the KAFKA_CONFIG_* variables", ExitCode.CONFIG)
    if error.code() in _CREDENTIALS:
        return Fatal(f"{detail}; check the credentials in KAFKA_CONFIG_* and the topics' ACLs", ExitCode.CONFIG)
    if error.code() not in _UNAVAILABLE:
        return Fatal(detail, ExitCode.ABORTED)
    cause = kafka_config.connection_errors.recent()
    if cause and cause.code() in _CREDENTIALS:
        return fatal_of(cause, doing)
    because = f" ({cause.str()})" if cause else ""
    message = f"{detail}{because}; is Kafka running, and is KAFKA_BOOTSTRAP_SERVERS right?"
    return Fatal(message, ExitCode.UNAVAILABLE)


def _base64(topic_id: Any) -> str:  # a confluent_kafka.Uuid, whose type stub lacks both methods
    high, low = topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits()
    return base64.urlsafe_b64encode(struct.pack(">qq", high, low)).decode().rstrip("=")
