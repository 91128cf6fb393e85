"""One Kafka transaction with the outputs of one cut: begin, produce, commit, in steps of bounded length."""

import logging
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clients import kafka
from clients.kafka import offset_of
from operators.decode import Reject
from partition.producer import FENCED
from partition.tail import Origin
from process.errors import ExitCode, Fatal
from sinks.reject_record import Level, reject_record

logger = logging.getLogger(__name__)

STEP_S = 2.0
_SENDINGS_AGAIN = 3  # a refused message may cost two: the producer's sequence numbers have to start anew after it
LIMIT_S = 60.0


class OutputTopics(NamedTuple):
    """Where carts and rejects go, and the topic and pipeline that they come from."""

    visits: str
    carts: str
    rejected: str
    pipeline_id: str
    topic_id: str


class OutputTransaction:
    """Carries the outputs of one cut into the partition of the same number, all of them or none.

    `advance` is called until it returns True. Each call waits a few seconds at most, so that the worker stays
    alive while Kafka is away.
    """

    def __init__(
        self,
        producer: Producer,
        topics: OutputTopics,
        partition: int,
        carts: Sequence[tuple[int, str]],
        rejects: Sequence[Reject],
    ) -> None:
        self._producer = producer
        self._topics = topics
        self._partition = partition
        self._carts = carts
        self._rejects = rejects
        self._levels = [Level.WHOLE] * len(rejects)
        self._deadline = time.monotonic() + LIMIT_S
        self._again = _SENDINGS_AGAIN
        self._begun = self._committing = self._aborting = False
        self._rewind()

    @property
    def where(self) -> str:
        """The outputs' place, for messages."""
        return f"outputs of topic {self._topics.visits!r} partition {self._partition}"

    def advance(self) -> bool:
        """Go on where the last call ended; return whether all is committed.

        Before the commit, an abort and a second sending are right; once it was called, only the same commit
        again: it can fail although the records are there already.

        :raises Fatal: fenced, refused, or not done within 60 s.
        """
        try:
            if self._aborting:
                self._producer.abort_transaction(STEP_S)
                self._aborting = False
                self._rewind()
            if not self._begun:
                self._producer.begin_transaction()
                self._begun = True
            if not self._committing and not self._sent():
                return self._in_time()
            self._committing = True
            self._producer.commit_transaction(STEP_S)
        except KafkaException as error:
            self._judge(error.args[0])
            return self._in_time()
        except SystemError as error:
            # How confluent-kafka tells that the producer was fenced while it ran a callback: the reason is the
            # cause or, if another callback came between, lost; then the next step has it.
            if isinstance(error.__cause__, KafkaException):
                self._judge(error.__cause__.args[0])
            else:
                logger.warning("%s: %s; trying again", self.where, error, extra={"action": "kafka_retry"})
            return self._in_time()
        return True

    def abandon(self) -> None:
        """Abort what is open, if Kafka answers at once; else the next claim does."""
        if self._begun and not self._committing:
            try:
                self._producer.purge()
                self._producer.abort_transaction(1.0)
            except KafkaException as error:
                logger.info("%s: not aborted: %s", self.where, error, extra={"action": "abort"})

    def _rewind(self) -> None:
        self._begun = False
        prefix = str(self._origin(0)).removesuffix("0")  # formatted once: there is a cart for every fourth visit
        self._unsent = [{"key": f"{prefix}{offset}", "value": line} for offset, line in self._carts]
        self._next_reject = 0
        self._failures: list[KafkaError] = []
        self._too_large = False

    def _origin(self, offset: int) -> Origin:
        return Origin(self._topics.pipeline_id, self._topics.topic_id, self._partition, offset)

    def _in_time(self) -> bool:
        if time.monotonic() > self._deadline:
            message = (
                f"{self.where}: Kafka has not taken them for {LIMIT_S:.0f} s; are its brokers up, and enough of them "
                "in sync (min.insync.replicas)?"
            )
            raise Fatal(message, ExitCode.UNAVAILABLE)
        return False

    def _sent(self) -> bool:
        queued = self._queue_carts() and self._queue_rejects()
        if not queued or self._producer.flush(STEP_S):
            return False
        if self._too_large:
            self._aborting = True
            return False
        if self._failures:
            self._send_again(self._failures[0])
            return False
        return True

    def _queue_carts(self) -> bool:
        if self._unsent:
            taken = self._producer.produce_batch(
                self._topics.carts, self._unsent, partition=self._partition, on_delivery=self._on_cart
            )
            # It may take fewer than it was given, and says so in the dictionaries that it did not take.
            left = [cart for cart in self._unsent if "_error" in cart]
            if len(self._unsent) - taken != len(left):
                message = f"{self.where}: {taken} of {len(self._unsent)} carts queued, {len(left)} refused"
                raise Fatal(message, ExitCode.ABORTED)
            for cart in left:
                error: Any = cart.pop("_error")
                if error.code() != KafkaError._QUEUE_FULL:
                    raise kafka.fatal_of(error, self.where)
            self._unsent = left
        if self._unsent:
            self._producer.poll(0.1)
        return not self._unsent

    def _queue_rejects(self) -> bool:
        while self._next_reject < len(self._rejects) and not self._too_large:
            index = self._next_reject
            try:
                self._produce_reject(index)
            except BufferError:
                self._producer.poll(0.1)
                return False
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                self._shorten(index)
                continue
            self._next_reject += 1
            if self._levels[index] != Level.WHOLE and self._producer.flush(STEP_S):
                return False
        return True

    def _produce_reject(self, index: int) -> None:
        reject = self._rejects[index]
        origin = self._origin(offset_of(reject.message))
        self._producer.produce(
            self._topics.rejected,
            partition=self._partition,
            on_delivery=lambda error, _: self._on_reject(index, error),
            **reject_record(reject, self._levels[index], self._topics.visits, origin),
        )

    def _on_cart(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failures.append(error)

    def _on_reject(self, index: int, error: KafkaError | None) -> None:
        if error is None:
            return
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self._too_large = True
            self._shorten(index)
        else:
            self._failures.append(error)

    def _shorten(self, index: int) -> None:
        if self._levels[index] == Level.BARE:
            offset = offset_of(self._rejects[index].message)
            message = f"{self.where}: topic {self._topics.rejected!r} refuses even the head of offset {offset}"
            raise Fatal(message, ExitCode.ABORTED)
        self._levels[index] = Level(self._levels[index] + 1)
        self._again = _SENDINGS_AGAIN

    def _judge(self, error: KafkaError) -> None:
        sending = not self._committing and not self._aborting
        if sending and error.code() == KafkaError._STATE:
            self._producer.flush(STEP_S)  # a delivery has failed: its report, on its way, says why
            if self._too_large:
                self._aborting = True
                return
        if error.code() in FENCED or error.fatal():
            message = (
                f"{self.where}: fenced ({error.name()}): another copy has claimed the partition, or this process "
                "stood still for more than 10 s"
            )
            raise Fatal(message, ExitCode.ABORTED)
        if self._committing and not error.retriable():
            message = f"{self.where}: commit in doubt: {error.name()}: {error.str()}; the next claim sees what is there"
            raise Fatal(message, ExitCode.ABORTED)
        if sending and (self._failures or error.txn_requires_abort()):
            self._send_again(self._failures[0] if self._failures else error)
        elif not error.retriable():
            raise kafka.fatal_of(error, self.where)
        logger.warning("%s: %s; trying again", self.where, error.str(), extra={"action": "kafka_retry"})

    def _send_again(self, error: KafkaError) -> None:
        # Also where Kafka has forgotten the producer's id after a week of silence.
        if not self._again:
            raise kafka.fatal_of(error, self.where)
        self._again -= 1
        logger.warning("%s: %s; aborting, sending again", self.where, error.str(), extra={"action": "resend"})
        self._aborting = True
