"""Who owns a partition, and where it stands. Claimed before any position is read, in an order that matters."""

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from confluent_kafka.admin import AdminClient

from clients import kafka, mariadb
from clients.mariadb import ConnectionLost, Login, Transient
from partition.position import PartitionConnection
from partition.producer import fenced_producer
from partition.provisioned import Provisioned, compare
from partition.tail import OutputTopic, TailReader, cart_origin, reject_origin
from process.errors import ExitCode, Fatal
from settings import Settings

logger = logging.getLogger(__name__)

_CLAIMS_AT_ONCE = 8  # a claim takes 0.1-0.3 s of waiting: 64 in a row took 13 s
_LOCKED_S = 30.0


class _GivenUp(Exception):  # noqa: N818 - it is never shown
    """The dataflow ends while it still claims: nobody waits for this claim any more."""


class Claim:
    """One partition, owned: its connection, its producer, and how far its outputs and totals are committed.

    The Kafka sink moves `outputs`, the MariaDB sink moves `totals`, never beyond `outputs`, and the source
    reads both; all three live on one worker thread. `job_done` tells the source that a sink's thread has
    finished something, which the sink only sees when it is asked.
    """

    def __init__(
        self,
        settings: Settings,
        admin: AdminClient,
        provisioned: Provisioned,
        partition: int,
        given_up: threading.Event,
    ) -> None:
        """Claim the partition; nothing of another owner is touched before the lock is held.

        :raises Fatal: HELD when another dataflow owns it, DATA when the outputs are another pipeline's.
        """
        self.partition = partition
        self.provisioned = provisioned
        self.job_done = False
        self._given_up = given_up
        self.connection = PartitionConnection(
            Login.dataflow(settings), settings.visits_topic, provisioned.topic_id, partition
        )
        carts = OutputTopic(settings.carts_topic, cart_origin)
        rejects = OutputTopic(settings.rejected_topic, reject_origin)
        try:
            self.connection.open(go_on=self._go_on)
            reader = TailReader(settings, admin, partition)
            try:
                for topic in (carts, rejects):
                    self._refuse_another_pipelines(reader, topic)
                self.producer = fenced_producer(settings, partition, self._go_on)
                self.carts_tail = reader.tail(carts, provisioned.pipeline_id, provisioned.topic_id)
                self.rejects_tail = reader.tail(rejects, provisioned.pipeline_id, provisioned.topic_id)
            finally:
                reader.close()
            self.start = self.outputs = self.totals = _first_position(self.connection)
        except (ConnectionLost, Transient) as error:
            self.connection.close()
            raise mariadb.away(error) from error
        except BaseException:
            self.connection.close()
            raise
        logger.info(
            "%s claimed at offset %d",
            self.connection.where,
            self.start,
            extra={"action": "claimed", "partition": partition, "offset": self.start},
        )

    def note_job_done(self, _: object) -> None:
        """Let the source ask the sinks at once; called on any thread."""
        self.job_done = True

    def close(self) -> None:
        """Let the partition go. Commits nothing, now or later."""
        self.connection.end()

    def _go_on(self) -> None:
        if self._given_up.is_set():
            raise _GivenUp

    def _refuse_another_pipelines(self, reader: TailReader, topic: OutputTopic) -> None:
        last = reader.last_origin(topic)
        if last and last.pipeline_id != self.provisioned.pipeline_id:
            message = (
                f"topic {topic.name!r} partition {self.partition} holds outputs of pipeline {last.pipeline_id}, but "
                f"this database is of pipeline {self.provisioned.pipeline_id}: give this one output topics of its "
                "own (CARTS_TOPIC, REJECTED_TOPIC), or empty them by python -m ops reset --yes"
            )
            raise Fatal(message, ExitCode.DATA)


def _first_position(connection: PartitionConnection) -> int:
    deadline = time.monotonic() + _LOCKED_S
    while True:
        try:
            return connection.position()
        except Transient as error:  # somebody holds the row, each time for innodb_lock_wait_timeout at most
            connection.rollback()
            if time.monotonic() > deadline:
                raise
            logger.warning("%s; trying again", error, extra={"action": "mariadb_retry"})


class Claims:
    """The claims of one process; source and sinks of a dataflow share one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._admin: AdminClient | None = None
        self._provisioned: Provisioned | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._claims: dict[int, tuple[Future[Claim], threading.Event]] = {}

    def provisioned(self) -> Provisioned:
        """Compare database, topics and settings, once; no claim is made of anything that differs.

        :raises Fatal: one line for what is away, missing or different.
        """
        with self._lock:
            if self._provisioned is None:
                self._provisioned = compare(self._settings, self.admin())
            return self._provisioned

    def admin(self) -> AdminClient:
        """Return the admin client of this process; one that knows the cluster already answers at once."""
        if self._admin is None:
            self._admin = kafka.admin_client(self._settings)
        return self._admin

    def begin(self, partition: int) -> Future[Claim]:
        """Begin to claim a partition, and return at once."""
        provisioned = self.provisioned()
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_CLAIMS_AT_ONCE, thread_name_prefix="claim")
            given_up = threading.Event()
            future = self._pool.submit(Claim, self._settings, self.admin(), provisioned, partition, given_up)
            self._claims[partition] = (future, given_up)
            return future

    def of(self, partition: int) -> Claim:
        """Return the claim that this process holds: a batch of the partition can only come after it.

        :raises Fatal: the partition was claimed in another process.
        """
        future, _ = self._claims.get(partition, (None, None))
        if future is None or not future.done():
            message = f"partition {partition}: its source and its sinks run in different processes; report this"
            raise Fatal(message, ExitCode.ABORTED)
        return future.result()

    def end(self, partition: int) -> None:
        """Let a partition go, claimed or not yet; the last one ends the threads too."""
        with self._lock:
            future, given_up = self._claims.pop(partition, (None, None))
            pool = self._pool if not self._claims else None
            self._pool = None if pool else self._pool
        if given_up:
            given_up.set()
        if future and not future.cancel() and future.exception() is None:
            future.result().close()
        if pool:
            pool.shutdown()
