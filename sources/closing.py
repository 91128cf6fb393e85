"""Closes consumers without waiting for a Kafka that is away: librdkafka gives a commit 45 s to be answered."""

import threading

from confluent_kafka import Consumer

_PATIENCE_S = 2.0


class Closing:
    """How the consumers of one process end: in time, each on a thread that nobody waits for longer than 2 s."""

    def __init__(self) -> None:
        self._silent = False

    def close(self, consumer: Consumer) -> None:
        """Close a consumer; once one was not done in time, the others are not waited for."""
        closing = threading.Thread(target=consumer.close, name="close", daemon=True)
        closing.start()
        closing.join(0 if self._silent else _PATIENCE_S)
        self._silent = closing.is_alive()
