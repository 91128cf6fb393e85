"""The last message that was read of a partition: what tells one log from another that has the same offsets."""

from hashlib import blake2b
from typing import NamedTuple

from confluent_kafka import Message

from clients.kafka import offset_of

_DIGEST_BYTES = 16


class LastRead(NamedTuple):
    """A message's offset, Kafka's timestamp in milliseconds (-1: none), leader epoch (-1: none), and digest in hex."""

    offset: int
    timestamp_ms: int
    leader_epoch: int
    digest: str


def last_read_of(message: Message) -> LastRead:
    """Return what identifies a message; the digest is of its key and value, null and empty told apart."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in (message.key(), message.value()):
        digest.update(b"-" if part is None else b"%d:" % len(part))
        digest.update(part or b"")
    _, timestamp_ms = message.timestamp()
    epoch = message.leader_epoch()
    return LastRead(offset_of(message), timestamp_ms, -1 if epoch is None else epoch, digest.hexdigest())
