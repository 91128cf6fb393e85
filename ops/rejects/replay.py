"""Sends rejected visits back: each in one Kafka transaction with its marker."""

import logging
from collections.abc import Iterable, Iterator

from confluent_kafka import KafkaError, KafkaException

from clients import kafka
from ops.rejects.markers import markers_topic
from ops.rejects.record import ATTEMPT_HEADER, Rejected
from partition.producer import FENCED, transactional_producer
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

CHUNK_VISITS = 200
CHUNK_BYTES = 4_000_000  # a transaction must end before its time-out of 10 s

_silent = logging.getLogger(f"{__name__}.librdkafka")
_silent.disabled = True  # its errors reach us as values

_LIMIT_S = 60.0
_STEP_S = 5.0
_REFUSALS = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER})


def chunks_of(visits: Iterable[Rejected]) -> Iterator[list[Rejected]]:
    """Yield the visits in their order, as many as go in one transaction."""
    chunk: list[Rejected] = []
    size = 0
    for visit in visits:
        if chunk and (len(chunk) == CHUNK_VISITS or size + len(visit.message) > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(visit)
        size += len(visit.message)
    if chunk:
        yield chunk


class Replayer:
    """The one producer that sends rejected visits of a topic back.

    Creating one fences every earlier one: its open transaction is aborted, and it can commit nothing more. So the
    markers are complete afterwards, and stay so until this one commits.
    """

    def __init__(self, settings: Settings) -> None:
        """Fence the others.

        :raises Fatal: Kafka cannot be reached or refuses.
        """
        self._visits, self._markers = settings.visits_topic, markers_topic(settings)
        self._producer = transactional_producer(settings, self._markers, limit_s=_LIMIT_S, logger=_silent)

    def send(self, chunk: list[Rejected]) -> int:
        """Send visits and markers, all or none in one transaction; return how many the topic accepted.

        What is too large together is sent in halves; a visit that is too large alone is skipped.

        :raises Fatal: Kafka cannot be reached, another replay has begun, or a commit is in doubt.
        """
        refused = self._refused(chunk)
        if refused and refused.code() == KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER:
            # A message that was too large left a gap in its partition's sequence; the abort has closed it.
            refused = self._refused(chunk)
        if refused is None:
            return len(chunk)
        if refused.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            raise self._ended_by(refused)
        if len(chunk) == 1:
            return 0
        half = len(chunk) // 2
        return self.send(chunk[:half]) + self.send(chunk[half:])

    def _refused(self, chunk: list[Rejected]) -> KafkaError | None:
        """Send a chunk and commit; if a topic refuses one of its messages, abort all and return the error."""
        try:
            self._producer.begin_transaction()
            for visit in chunk:
                self._produce(visit)
            refused = self._commit()
            if refused:
                self._producer.abort_transaction(_LIMIT_S)
        except KafkaException as raised:
            raise self._ended_by(raised.args[0]) from raised
        return refused

    @property
    def _doing(self) -> str:
        return f"sending visits back to topic {self._visits!r}"

    def _ended_by(self, error: KafkaError) -> Fatal:
        if error.code() in FENCED or error.fatal():
            message = (
                f"{self._doing}: fenced ({error.name()}): another replay has begun, or this one was suspended for "
                "more than 10 s; run it again: nothing is sent twice"
            )
            return Fatal(message, ExitCode.ABORTED)
        return kafka.fatal_of(error, self._doing)

    def _produce(self, visit: Rejected) -> None:
        message, attempt = visit.message, str(visit.attempts + 1)
        headers = [*visit.original_headers(), (ATTEMPT_HEADER, attempt)]
        # No delivery reports: one that failed fails the commit.
        self._producer.produce(self._visits, message.value(), message.key(), visit.partition, headers=headers)
        self._producer.produce(self._markers, attempt, visit.marker, 0)

    def _commit(self) -> KafkaError | None:
        """Commit, or return the error of a message that was refused: then no commit was requested.

        A requested commit is only repeated: it may have succeeded although its response was lost.
        """
        deadline = Deadline(_LIMIT_S)
        while True:
            try:
                self._producer.commit_transaction(_STEP_S)
            except KafkaException as raised:
                error: KafkaError = raised.args[0]
                if error.code() in _REFUSALS:
                    return error
                if error.code() in FENCED:
                    raise
                if not error.retriable() or deadline.passed:
                    detail = f"{self._doing}: {error.name()}: {error.str()}"
                    message = f"{detail}; the last commit is in doubt: run it again, nothing is sent twice"
                    raise Fatal(message, ExitCode.ABORTED) from raised
            else:
                return None
