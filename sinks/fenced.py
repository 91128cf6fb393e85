"""Why Kafka has ended a transaction of ours: its error is the same for another producer, a time-out and a pause."""

import time

from confluent_kafka import KafkaError

from partition.producer import TRANSACTION_TIMEOUT_S
from process.errors import ExitCode, Fatal

# A suspended machine's time counts too, where the system measures it.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_STEP_WAITS_S = 5.0  # a step waits for two seconds at most


def _now() -> float:
    return time.clock_gettime(_CLOCK)


class Course:
    """How the present transaction went: since when it is open, and the longest time from one step to the next."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A transaction begins."""
        self._begun = self._latest = _now()
        self._longest_s = 0.0
        self._retried = ""

    def mark(self) -> None:
        """A step begins or ends."""
        now = _now()
        self._longest_s = max(self._longest_s, now - self._latest)
        self._latest = now

    def retried(self, error: KafkaError) -> None:
        """A step ended with this error, and is repeated."""
        self._retried = f" ({error.str()})"

    @property
    def open_s(self) -> float:
        """How long the transaction has been open."""
        return self._latest - self._begun

    @property
    def stood_still_s(self) -> float:
        """How long the process did not run; 0 if every step took its time and no more."""
        return self._longest_s if self._longest_s > _STEP_WAITS_S else 0.0

    def fenced(self, where: str, error: KafkaError, *, transactional_id: str, lock_held: bool) -> Fatal:
        """Return the error that ends the run of a producer that Kafka has fenced.

        Kafka fences for two reasons: a later producer of the same transactional.id, or a transaction that was open
        for too long. One that was not open for so long leaves the first.
        """
        fenced = f"{where}: fenced ({error.name()})"
        if self.open_s < TRANSACTION_TIMEOUT_S and lock_held:
            message = (
                f"{fenced}: another producer has transactional.id {transactional_id!r}, although this process holds "
                "the partition's lock: a dataflow with another database has the same CARTS_TOPIC; give each its own"
            )
            return Fatal(message, ExitCode.ABORTED)
        if self.open_s < TRANSACTION_TIMEOUT_S:
            message = f"{fenced}: another copy has taken the partition, after this process had lost its lock in MariaDB"
            return Fatal(message, ExitCode.ABORTED)
        if self.stood_still_s:
            message = (
                f"{fenced}: this process stood still for {self.stood_still_s:.0f} s, and a transaction may be open for "
                f"{TRANSACTION_TIMEOUT_S:.0f} s; was the machine suspended, or short of CPU or memory?"
            )
            return Fatal(message, ExitCode.ABORTED)
        message = (
            f"{fenced}: Kafka has not answered in time{self._retried}, and has ended the transaction, which was open "
            f"for {self.open_s:.0f} s; are its brokers up, and is the network?"
        )
        return Fatal(message, ExitCode.UNAVAILABLE)
