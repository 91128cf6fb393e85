"""Who owns a partition. Ownership is taken before any position is read, in an order that matters."""

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient
from operators.last_read import LastRead, last_read_of
from operators.outputs import outputs_of
from partition.pipeline import Pipeline
from partition.position import PartitionConnection
from partition.producer import fenced_producer
from partition.tail import OutputTopic, OwnTransactionHangs, TailReader, line_origin, reject_origin
from partition.tail_consumers import TailConsumers
from process.cancellation import Cancellation
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

logger = logging.getLogger(__name__)

_LOCKED_S = 30.0


class Tails(NamedTuple):
    """The offsets of the visits of a partition's latest records in each topic: everything up to them is there.

    `lines` are by the outputs' names.
    """

    lines: Mapping[str, int]
    rejects: int


class Shared(NamedTuple):
    """What a process needs for the ownership of any partition, and has once."""

    settings: Settings
    pipeline: Pipeline
    largest_batch: int
    admin: AdminClient
    tails: TailConsumers


@dataclass
class OwnedPartition:
    """One partition and what its owner needs: the connection that holds the lock, and the only valid producer."""

    partition: int
    pipeline: Pipeline
    connection: PartitionConnection
    producer: Producer
    tails: Tails
    start: int
    cancellation: Cancellation

    @property
    def where(self) -> str:
        """The partition, for messages."""
        return self.connection.where


def take_ownership(shared: Shared, partition: int, cancellation: Cancellation) -> OwnedPartition:
    """Take the lock, fence the producer, read the tails and then the position.

    Nothing of another owner is changed before the lock is held.

    :raises Fatal: HELD when another dataflow owns it, DATA when the outputs are another pipeline's.
    :raises Cancelled: found between the steps.
    """
    settings, pipeline = shared.settings, shared.pipeline
    connection = PartitionConnection(Login.dataflow(settings), settings.visits_topic, pipeline.topic_id, partition)
    with ExitStack() as undo:
        undo.callback(connection.close)
        try:
            connection.open(cancellation)
            with shared.tails.borrowed() as consumer:
                reader = TailReader(settings, shared.admin, partition, consumer=consumer)
                size = shared.largest_batch
                fenced_by = partial(fenced_producer, settings, partition, cancellation, largest_batch=size)
                try:
                    producer, tails = _fence(settings, reader, pipeline, partition, fenced_by)
                except OwnTransactionHangs as hanging:
                    raise _hanging(settings, hanging, partition, _first_position(connection)) from hanging
                start = _first_position(connection)
                _refuse_another_log(reader, connection.last_read(), connection.where, settings.visits_topic)
        except (ConnectionLost, Transient) as error:
            raise mariadb.unavailable(error) from error
        undo.pop_all()
    message = "%s owned from offset %d on"
    logger.info(message, connection.where, start, extra={"action": "owned", "partition": partition, "offset": start})
    return OwnedPartition(partition, pipeline, connection, producer, tails, start, cancellation)


def _fence(
    settings: Settings, reader: TailReader, pipeline: Pipeline, partition: int, fenced_by: Callable[[], Producer]
) -> tuple[Producer, Tails]:
    """Fence earlier owners, then read the tails: before the fence an earlier owner could still move them."""
    lines = {output.name: OutputTopic(output.topic, line_origin) for output in outputs_of(settings)}
    rejects = OutputTopic(settings.rejected_topic, reject_origin)
    for topic in (*lines.values(), rejects):
        _refuse_another_pipelines(reader, topic, pipeline, partition)
    producer = fenced_by()
    tail_of = partial(reader.tail, pipeline_id=pipeline.pipeline_id, topic_id=pipeline.topic_id)
    return producer, Tails({name: tail_of(topic) for name, topic in lines.items()}, tail_of(rejects))


def _refuse_another_pipelines(reader: TailReader, topic: OutputTopic, pipeline: Pipeline, partition: int) -> None:
    last = reader.last_origin(topic)
    if last and last.pipeline_id != pipeline.pipeline_id:
        message = (
            f"topic {topic.name!r} partition {partition} holds outputs of pipeline {last.pipeline_id}, but this "
            f"database is of pipeline {pipeline.pipeline_id}: give this one output topics of its own "
            "(CARTS_TOPIC, REJECTED_TOPIC), or empty them by python -m ops reset --yes"
        )
        raise Fatal(message, ExitCode.DATA)


def _refuse_another_log(reader: TailReader, counted: LastRead | None, where: str, topic: str) -> None:
    """Compare the last message counted with the log, which may have been restored from an older copy and grown since.

    :raises Fatal: DATA when the log holds another message there.
    """
    if counted is None:
        return
    begin, end = reader.bounds(topic)
    if not begin <= counted.offset < end:
        return  # retention has taken it, or the log ends before it: the source says so
    found = next(map(last_read_of, reader.records(topic, counted.offset, counted.offset + 1)), None)
    if found != counted:
        message = (
            f"{where} holds another message at offset {counted.offset} than the one that was counted: the log was "
            "restored from an older copy and has grown since; restore the right one, or start over by "
            "python -m ops reset --yes"
        )
        raise Fatal(message, ExitCode.DATA)


def _hanging(settings: Settings, hanging: OwnTransactionHangs, partition: int, position: int) -> Fatal:
    """Return the error for a transaction of ours whose end Kafka has lost.

    Totals are only committed after the outputs: if the position is beyond the first hidden output, the transaction
    was committed, and nothing reads its visits again.
    """
    place = f"--topic {hanging.topic} --partition {partition} --start-offset {hanging.offset}"
    abort = f"kafka-transactions.sh --bootstrap-server {settings.kafka_bootstrap_servers} abort {place}"
    what = (
        f"topic {hanging.topic!r} partition {partition}: a transaction of this pipeline is open at offset "
        f"{hanging.offset} and its end is lost; it hides the outputs of the visits from offset {hanging.first} on"
    )
    if position <= hanging.first:
        message = f"{what}, none of which is counted: abort it, then start again, and they are sent again: {abort}"
        return Fatal(message, ExitCode.DATA)
    message = (
        f"{what}, which are counted up to offset {position}: abort it by {abort}, then restore the database from a "
        f"dump with a position up to {hanging.first}, and they are sent again; or start over by "
        "python -m ops reset --yes"
    )
    return Fatal(message, ExitCode.DATA)


def _first_position(connection: PartitionConnection) -> int:
    deadline = Deadline(_LOCKED_S)
    while True:
        try:
            return connection.position()
        except Transient:  # an earlier owner's commit, or an administrator's, still has the row
            connection.rollback()
            if deadline.passed:
                raise
