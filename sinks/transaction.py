"""One Kafka transaction around a delivery: begin, send, commit. All of it becomes visible, or nothing."""

import logging
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException

from clients import kafka
from partition.ownership import OwnedPartition
from partition.producer import FENCED
from process import metrics, outage
from process.cancellation import Cancelled
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from sinks.delivery import STEP_S, Delivery
from sinks.fenced import Course

logger = logging.getLogger(__name__)

LIMIT_S = 60.0
_RESENDS = 3  # a refused message may cost two: the producer's sequence numbers start over after it
_PAUSE_S = 0.02
_ABANDON_S = 1.0


class OutputTransaction:
    """Carries one delivery, once.

    Before the commit, to abort and send again is right. Once the commit was called, only the same commit may be
    repeated: it can fail although the records are visible already. Each step waits for two seconds at most; between
    the steps a cancellation is found, and the partition's lock is kept.
    """

    def __init__(self, owned: OwnedPartition, delivery: Delivery) -> None:
        self._owned = owned
        self._producer = owned.producer
        self._delivery = delivery
        self._where = delivery.where
        self._deadline = Deadline(LIMIT_S)
        self._resends_left = _RESENDS
        self._begun = False
        self._course = Course()

    def run(self) -> None:
        """Send and commit.

        :raises Fatal: fenced, refused, in doubt, or not done within 60 s.
        :raises Cancelled: what was sent is aborted, now or by the next owner, unless its commit was called.
        """
        try:
            self._send()
            self._commit()
        finally:
            outage.KAFKA.succeeded(self)

    def _send(self) -> None:
        try:
            while not self._sent():
                self._abort()
        except Cancelled:
            self._abandon()
            raise

    def _sent(self) -> bool:
        """Begin and send; return False where that must be aborted and repeated."""
        self._delivery.rewind()
        self._begun = False
        while (outcome := self._outcome_of(self._send_step)) is not True:
            if isinstance(outcome, KafkaError) and self._must_resend(outcome):
                return False
            self._wait(outcome)
        if self._delivery.too_large:
            self._resends_left = _RESENDS
            return False
        if self._delivery.failures:
            self._count_resend(self._delivery.failures[0])
            return False
        return True

    def _send_step(self) -> bool:
        """Send until all is delivered or refused, for a bounded time; return whether it is."""
        if not self._begun:
            self._course.begin()
            self._producer.begin_transaction()
            self._begun = True
        return self._delivery.queue() and not self._producer.flush(STEP_S)

    def _must_resend(self, error: KafkaError) -> bool:
        """Return whether an error of sending is mended by an abort; False: the step is repeated.

        :raises Fatal: by neither.
        """
        if error.code() == KafkaError._STATE:
            # A delivery has failed: its report gives the reason.
            self._outcome_of(lambda: self._producer.flush(STEP_S) == 0)
            if self._delivery.too_large:
                self._resends_left = _RESENDS
                return True
        self._refuse_fenced(error)
        failures = self._delivery.failures
        if failures or error.txn_requires_abort():
            self._count_resend(failures[0] if failures else error)
            return True
        self._refuse_permanent(error)
        return False

    def _count_resend(self, error: KafkaError) -> None:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:  # of a line: a reject is shortened
            raise Fatal(self._delivery.too_large_message(), ExitCode.ABORTED)
        # Also where Kafka has forgotten the producer's id after a week without transactions.
        if not self._resends_left:
            raise self._ended_by(error)
        self._resends_left -= 1
        metrics.RETRIES.labels("kafka", error.name()).inc()
        logger.warning("%s: %s; aborting, sending again", self._where, error.str(), extra={"action": "resend"})

    def _abort(self) -> None:
        while (outcome := self._outcome_of(self._abort_step)) is not True:
            if isinstance(outcome, KafkaError):
                self._refuse_fenced(outcome)
                self._refuse_permanent(outcome)
            self._wait(outcome)

    def _abort_step(self) -> bool:
        self._producer.abort_transaction(STEP_S)
        return True

    def _commit(self) -> None:
        while (outcome := self._outcome_of(self._commit_step)) is not True:
            if isinstance(outcome, KafkaError):
                self._refuse_fenced(outcome)
                if not outcome.retriable():
                    raise self._in_doubt(outcome)
            self._wait(outcome)

    def _commit_step(self) -> bool:
        self._producer.commit_transaction(STEP_S)
        return True

    def _in_doubt(self, error: KafkaError) -> Fatal:
        reason = f"{error.name()}: {error.str()}"
        message = f"{self._where}: commit in doubt: {reason}; the next owner reads in the topics whether it is there"
        return Fatal(message, ExitCode.ABORTED)

    def _abandon(self) -> None:
        """Abort what is open, if Kafka answers at once; else the next owner does."""
        if self._begun:
            try:
                self._producer.purge()
                self._producer.abort_transaction(_ABANDON_S)
            except KafkaException as error:
                logger.info("%s: not aborted: %s", self._where, error, extra={"action": "abort"})

    def _wait(self, outcome: KafkaError | bool) -> None:
        """Prepare to repeat a step.

        :raises Fatal: the time is up.
        :raises Cancelled: the committer is stopped.
        """
        if self._deadline.passed:
            message = (
                f"{self._where}: Kafka has not accepted them for {LIMIT_S:.0f} s; are its brokers up, and enough of "
                "them in sync (min.insync.replicas)?"
            )
            raise Fatal(message, ExitCode.UNAVAILABLE)
        if isinstance(outcome, KafkaError):
            self._course.retried(outcome)
            metrics.RETRIES.labels("kafka", outcome.name()).inc()
            outage.KAFKA.failed(self, f"{self._where}: {outcome.str()}", outcome.code())
        self._owned.cancellation.sleep(_PAUSE_S)
        self._owned.connection.keep_alive_if_idle()

    def _refuse_fenced(self, error: KafkaError) -> None:
        if error.code() in FENCED or error.fatal():
            raise self._ended_by(error)

    def _refuse_permanent(self, error: KafkaError) -> None:
        if not error.retriable():
            raise self._ended_by(error)

    def _ended_by(self, error: KafkaError) -> Fatal:
        """Return what ends the run; Kafka's error alone does not show its cause."""
        missing = self._delivery.missing_topic()
        if missing:
            message = (
                f"{self._where}: topic {missing!r} has been deleted ({error.name()}); restore it, or create an empty "
                "one by python -m ops provision"
            )
            return Fatal(message, ExitCode.CONFIG)
        if error.code() not in FENCED:
            return kafka.fatal_of(error, self._where)
        held = self._owned.connection.holds_lock()
        return self._course.fenced(self._where, error, transactional_id=self._delivery.transactional_id, lock_held=held)

    def _outcome_of(self, step: Callable[[], bool]) -> KafkaError | bool:
        """Run a step; return what it returns, or the error of Kafka that it raises."""
        self._course.mark()
        try:
            return step()
        except KafkaException as error:
            return _kafka_error(error)
        except SystemError as error:
            # What confluent-kafka raises when the producer was fenced while it ran a callback: the reason is the
            # cause or, if another callback came between, lost; then the next step has it.
            if isinstance(error.__cause__, KafkaException):
                return _kafka_error(error.__cause__)
            return KafkaError(KafkaError._FAIL, str(error), retriable=True)
        finally:
            self._course.mark()


def _kafka_error(error: KafkaException) -> KafkaError:
    kafka_error: KafkaError = error.args[0]
    return kafka_error
