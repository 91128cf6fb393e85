"""Records of any bytes, sent by Kafka's own protocol: the client's producer takes header names as text only."""

import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from clients import kafka
from settings import Settings

_PRODUCE, _VERSION = 0, 3  # the oldest version that Kafka 4 accepts: its fields have fixed sizes
_TIMEOUT_MS = 30_000
_CRC32C = 0x82F63B78  # Castagnoli's polynomial, reversed


class RawRecord(NamedTuple):
    """A record: its key, value and headers as the bytes that they are."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[bytes, bytes | None], ...] = ()


def produce_raw(settings: Settings, topic: str, partition: int, records: Sequence[RawRecord]) -> None:
    """Send records in one batch to the partition's leader, over a connection without TLS and SASL."""
    metadata = kafka.admin_client(settings).list_topics(topic, 30)
    leader = metadata.brokers[metadata.topics[topic].partitions[partition].leader]
    request = _request(topic, partition, _batch(records))
    with socket.create_connection((leader.host, leader.port), _TIMEOUT_MS / 1000) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            (size,) = struct.unpack(">i", stream.read(4))
            response = stream.read(size)
    # correlation id, one topic, its name, one partition, its number: then the error
    (error,) = struct.unpack_from(">h", response, 4 + 4 + 2 + len(topic) + 4 + 4)
    assert error == 0, f"Kafka refuses the batch: error {error}"


def _request(topic: str, partition: int, batch: bytes) -> bytes:
    client, name = b"tests", topic.encode()
    header = struct.pack(">hhih", _PRODUCE, _VERSION, 1, len(client)) + client
    no_transaction, all_replicas = -1, -1
    body = struct.pack(">hhii", no_transaction, all_replicas, _TIMEOUT_MS, 1)
    body += struct.pack(">h", len(name)) + name
    return header + body + struct.pack(">iii", 1, partition, len(batch)) + batch


def _batch(records: Sequence[RawRecord]) -> bytes:
    encoded = b"".join(_sized(_record(at, record)) for at, record in enumerate(records))
    last, timestamp_ms, no_producer = len(records) - 1, 1_772_000_000_000, -1
    attributes = 0
    checked = struct.pack(">hiqq", attributes, last, timestamp_ms, timestamp_ms)
    checked += struct.pack(">qhi", no_producer, no_producer, no_producer)
    checked += struct.pack(">i", len(records)) + encoded
    base_offset, leader_epoch, magic = 0, -1, 2
    rest = struct.pack(">ibI", leader_epoch, magic, _crc32c(checked)) + checked
    return struct.pack(">qi", base_offset, len(rest)) + rest


def _record(at: int, record: RawRecord) -> bytes:
    attributes, timestamp_delta = b"\0", _varint(0)
    headers = b"".join(_sized(name) + _sized(value) for name, value in record.headers)
    count = _varint(len(record.headers))
    return attributes + timestamp_delta + _varint(at) + _sized(record.key) + _sized(record.value) + count + headers


def _sized(content: bytes | None) -> bytes:
    return _varint(-1) if content is None else _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Encode a number as Protocol Buffers do: zigzag, seven bits a byte, the lowest first."""
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])


def _crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ _CRC32C * (crc & 1)
    return crc ^ 0xFFFFFFFF
