"""Leaves a transaction in a partition that Kafka's coordinator does not know, and that therefore never ends.

This is what a lost control record leaves behind. No client does it: it takes a Produce request without the request
before it that adds the partition to the transaction, and a broker that does not verify that.
"""

import socket
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from tests.support import wait_until

_PRODUCE, _INIT_PRODUCER_ID, _WRITE_TXN_MARKERS = 0, 22, 27
_POLYNOMIAL = 0x82F63B78  # of CRC-32C
_TRANSACTIONAL = 0x10
_MOST_STARTS = 100

Headers = Sequence[tuple[str, bytes]]


class ProducerId(NamedTuple):
    """What Kafka knows a producer by."""

    producer_id: int
    epoch: int


def allow_hanging(admin: AdminClient) -> None:
    """Let the brokers accept records of transactions that the coordinator does not know."""
    name = "transaction.partition.verification.enable"
    entry = ConfigEntry(name, "false", incremental_operation=AlterConfigOpType.SET)
    for broker_id in admin.list_topics(timeout=30).brokers:
        resource = ConfigResource(ConfigResource.Type.BROKER, str(broker_id), incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result()


def leave_hanging(
    address: str, transactional_id: str, topic: str, partition: int, *, key: bytes, value: bytes, headers: Headers = ()
) -> ProducerId:
    """Write one record in a transaction that never ends; fence earlier producers of the transactional.id."""
    with _connected(address) as connection:

        def initialised() -> ProducerId | None:
            body = _string(transactional_id) + struct.pack(">i", 10_000)
            error, producer_id, epoch = struct.unpack(">4xhqh", _answer(connection, _INIT_PRODUCER_ID, 0, body))
            return None if error else ProducerId(producer_id, epoch)

        producer = wait_until(initialised, deadline_s=30, what="a producer id")
        batch = _batch(producer, _record(key, value, headers))
        place = struct.pack(">i", 1) + _string(topic) + struct.pack(">ii", 1, partition)
        body = _string(transactional_id) + struct.pack(">hi", 1, 10_000) + place
        answer = _answer(connection, _PRODUCE, 3, body + struct.pack(">i", len(batch)) + batch)
        error = struct.unpack_from(">h", answer, 4 + len(_string(topic)) + 4 + 4)[0]
        assert error == 0, f"Kafka has refused the record: error {error}"
        return producer


def abort_hanging(address: str, producer: ProducerId, topic: str, partition: int) -> None:
    """Abort it, as kafka-transactions.sh does: by the control record that is missing."""
    with _connected(address) as connection:
        for coordinator_epoch in range(_MOST_STARTS):  # of the broker, so far: an earlier one is fenced
            error = _abort(connection, producer, topic, partition, coordinator_epoch)
            if error != KafkaError.TRANSACTION_COORDINATOR_FENCED:
                break
    assert error == 0, f"Kafka has refused the control record: error {error}"


def _abort(connection: socket.socket, producer: ProducerId, topic: str, partition: int, coordinator_epoch: int) -> int:
    """Return Kafka's error code."""
    marker = struct.pack(">qh?", *producer, False) + b"\x02" + _compact(topic) + b"\x02" + struct.pack(">i", partition)
    body = b"\0\x02" + marker + b"\0" + struct.pack(">i", coordinator_epoch) + b"\0" + b"\0"  # \0: no tagged fields
    answer = _answer(connection, _WRITE_TXN_MARKERS, 1, body)
    error: int = struct.unpack_from(">h", answer, len(answer) - 2 - 4)[0]
    return error


def _connected(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), 30)


def _answer(connection: socket.socket, api: int, version: int, body: bytes) -> bytes:
    request = struct.pack(">hhi", api, version, 1) + _string("tests") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    stream = connection.makefile("rb")
    with stream:
        (length,) = struct.unpack(">i", stream.read(4))
        return stream.read(length)[4:]  # without the correlation id


def _batch(producer: ProducerId, record: bytes) -> bytes:
    now_ms = int(time.time() * 1000)
    fields = struct.pack(">hiqqqhii", _TRANSACTIONAL, 0, now_ms, now_ms, *producer, 0, 1) + record
    checked = struct.pack(">ibI", -1, 2, _crc32c(fields)) + fields
    return struct.pack(">qi", 0, len(checked)) + checked


def _record(key: bytes, value: bytes, headers: Headers) -> bytes:
    fields = b"\0\0\0" + _varint(len(key)) + key + _varint(len(value)) + value + _varint(len(headers))
    for name, content in headers:
        fields += _varint(len(name)) + name.encode() + _varint(len(content)) + content
    return _varint(len(fields)) + fields


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _compact(text: str) -> bytes:
    assert len(text) < 127
    return bytes([len(text) + 1]) + text.encode()


def _varint(number: int) -> bytes:
    zigzag = number << 1
    encoded = bytearray()
    while zigzag > 0x7F:
        encoded.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    encoded.append(zigzag)
    return bytes(encoded)


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
