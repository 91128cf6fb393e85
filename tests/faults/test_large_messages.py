"""Large and invalid messages pass, byte for byte, and memory stays bounded."""

import os
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from clients import kafka, kafka_config
from settings import Settings
from tests.pipeline import ops, progressed, run_to_end, running
from tests.support import query, read_committed, wait_until
from tests.unit.samples import visit_bytes

MB = 1_000_000
MOST_MEMORY_BYTES = 1000 * MB
Headers = list[tuple[str, str | bytes | None]]  # as confluent-kafka declares them
Keyed = tuple[bytes | None, bytes | None, Headers]  # key, value, headers


def send(settings: Settings, messages: list[Keyed], *, compression: str, partitions: int = 1) -> None:
    own: dict[str, Any] = {"message_max_bytes": 64 * MB, "compression_type": compression, "linger_ms": 5}
    producer = Producer(kafka_config.client_config(settings, **own))
    for at, (key, value, headers) in enumerate(messages):
        producer.produce(settings.visits_topic, value, key, partition=at % partitions, headers=headers)
        producer.poll(0)
        if len(value or b"") > MB:
            producer.flush(30)
    assert producer.flush(60) == 0


def test_invalid_messages_are_rejected_whole(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """1 MB and 20 MB, compressible or not, null values, large keys, headers of any bytes, repeated header names."""
    junk = os.urandom(20 * MB)
    messages: list[Keyed] = [
        (b"k" * 100_000, junk[:MB], [("trace", b"\x00\xff"), ("trace", None), ("", b"")]),
        (None, b"z" * MB, []),
        (b"\x00", None, [("tombstone", b"1")]),
        (b"", b"", []),
        (None, junk, []),
        (None, b"[" * (20 * MB), [("reason", b"theirs"), ("visit", b"theirs")]),
        (None, visit_bytes(), [("kept", b"not for visits")]),
        (b"last", b"\xff\xfe", []),
    ]
    send(settings, messages, compression="zstd")
    run_to_end(environment, tmp_path)
    rejects = [record for record in read_committed(settings, settings.rejected_topic) if record.partition == 0]
    sent = [message for message in messages if message[1] != visit_bytes()]
    assert [(record.key, record.value) for record in rejects] == [(key, value) for key, value, _ in sent]
    for record, (_, _, headers) in zip(rejects, sent, strict=True):
        ours = [name for name, _ in record.headers if name in {"visit", "reason"} or name.startswith("__connect")]
        assert len(ours) == len(set(ours)) == 8
        theirs = [header for header in headers if header[0] not in {"visit", "reason"}]
        assert list(record.headers[: len(theirs)]) == theirs
        assert dict(record.headers)["reason"] == b"malformed"
    assert query(settings, "SELECT SUM(messages), SUM(visits), SUM(rejected) FROM progress") == [(8, 1, 7)]
    verified = ops(environment, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_memory_stays_bounded(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """2 GB of junk in messages of 20 MB, in all partitions, a few kilobytes each as the producer compresses them."""
    large: list[Keyed] = [(None, b"%04d" % at * (5 * MB), []) for at in range(100)]
    send(settings, large, compression="zstd", partitions=4)
    peak = 0
    with running(environment, tmp_path, workers=2) as dataflow:
        process = psutil.Process(dataflow.processes[0].pid)

        def all_counted() -> bool:
            nonlocal peak
            peak = max(peak, process.memory_info().rss)
            return progressed(settings) == 100

        wait_until(all_counted, deadline_s=120, what="100 messages counted")
    print(f"peak memory {peak / MB:.0f} MB")
    assert peak < MOST_MEMORY_BYTES
    assert len(read_committed(settings, settings.rejected_topic)) == 100


def test_what_the_rejected_topic_refuses_is_truncated(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Its head is written there, with a header that states its length; the messages around it stay whole."""
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

    resource = ConfigResource(
        ConfigResource.Type.TOPIC,
        settings.rejected_topic,
        incremental_configs=[ConfigEntry("max.message.bytes", "200000", incremental_operation=AlterConfigOpType.SET)],
    )
    admin = kafka.admin_client(settings)
    admin.incremental_alter_configs([resource])[resource].result()
    junk = os.urandom(MB)
    messages: list[Keyed] = [(None, junk[at : at + 150_000], []) for at in range(0, 600_000, 150_000)]
    messages += [(b"key", junk, [("mine", b"1")]), (junk[:300_000], junk, [("mine", b"1")])]
    send(settings, messages, compression="none")
    run_to_end(environment, tmp_path)
    rejects = [record for record in read_committed(settings, settings.rejected_topic) if record.partition == 0]
    assert [(record.key, record.value) for record in rejects[:4]] == [(key, value) for key, value, _ in messages[:4]]
    truncated, bare = rejects[4:]
    assert (truncated.key, truncated.value) == (b"key", junk[: 64 * 1024])
    assert dict(truncated.headers)["truncated"] == dict(bare.headers)["truncated"] == b"1000000"
    assert (bare.key, bare.value) == (None, junk[: 64 * 1024])
    assert query(settings, "SELECT SUM(messages), SUM(rejected) FROM progress") == [(6, 6)]
