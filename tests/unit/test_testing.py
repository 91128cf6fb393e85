"""Tests of an adopter's own: batches without Kafka, and the README's example."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bytewax.testing import TestingSink, TestingSource, run_main

from dataflow import build
from operators.cells import parts_of
from operators.visit import Visit
from ops.servers.software import ROOT
from settings import Settings
from sources.testing import Record, Value, raw_batch
from tests.readme import blocks
from tests.unit.samples import decode_batch

VISIT = {"visitDate": "2026-11-23T20:00:00.123Z", "country": "NOR", "lastAction": "SHOPPING_CART", "duration": 17}
MOMENT = datetime(2026, 11, 23, 20, 0, 0, 123_000, UTC)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (
            {"country": "Côte d'Ivoire", "visitDate": MOMENT, "duration": 1},
            '{"country":"Côte d\'Ivoire","visitDate":"2026-11-23T20:00:00.123000Z","duration":1}'.encode(),
        ),
        ("é", b"\xc3\xa9"),
        (b"\xff\x00", b"\xff\x00"),
        (b"", b""),
        (None, None),
    ],
)
def test_a_value_is_the_bytes_that_it_stands_for(value: Value, sent: bytes | None) -> None:
    """Fields are JSON, a text is UTF-8, bytes and null are what they are; alone and in a Record."""
    _, batch = raw_batch(value, Record(value))
    assert [message.value() for message in batch.messages] == [sent, sent]


def test_a_record_has_what_a_consumed_message_has() -> None:
    """Key, headers, timestamp and offset, each optional; the offsets that are left out follow."""
    headers = [("trace", b"1"), ("trace", None)]
    record = Record(VISIT, key="session-1", headers=headers, timestamp_ms=1_795_464_000_123, offset=44)
    name, batch = raw_batch(VISIT, record, b"?", partition=3, begin=40, end=50)
    assert (name, batch.partition, batch.begin, batch.end) == ("00003", 3, 40, 50)
    seen = [(each.offset(), each.key(), each.headers(), each.timestamp()) for each in batch.messages]
    assert seen == [
        (40, None, [], (0, -1)),
        (44, b"session-1", headers, (1, 1_795_464_000_123)),
        (45, None, [], (0, -1)),
    ]
    assert {(each.topic(), each.partition(), each.error()) for each in batch.messages} == {("website.visits", 3, None)}


def test_batches_without_messages_are_gaps() -> None:
    """As the source sends them at the end of a log that ends with control records."""
    assert raw_batch(begin=7, end=9) == ("00000", (0, 7, 9, []))
    assert raw_batch(begin=7) == ("00000", (0, 7, 7, []))


@pytest.mark.parametrize(
    ("records", "span", "error"),
    [
        ([Record(b"?", offset=4)], {"begin": 5}, "offset 4 must be 5 or more: offsets rise within a batch"),
        ([b"?", Record(b"?", offset=0)], {}, "offset 0 must be 1 or more: offsets rise within a batch"),
        ([b"?", b"?"], {"begin": 5, "end": 6}, "end 6 must be 7 or more: a batch ends behind its last message"),
    ],
)
def test_what_no_source_sends_is_refused(records: list[Any], span: dict[str, int], error: str) -> None:
    """A test on a batch that cannot be would prove nothing."""
    with pytest.raises(ValueError, match=f"^{error}$"):
        raw_batch(*records, **span)


def test_the_dataflow_counts_them() -> None:
    """A batch of every kind of value, through all steps."""
    outputs: list[Any] = []
    sums: list[Any] = []
    items = [raw_batch(VISIT, b"?", None, partition=2, begin=40), raw_batch(VISIT, begin=7, end=9)]
    source = TestingSource(items)
    run_main(build(source, TestingSink(outputs), TestingSink(sums), Settings(window_lengths_s=(5,))))
    line = "2026-11-23T20:00:00.123Z,NOR,SHOPPING_CART,17"
    assert [(key, batch.lines["carts"]) for key, batch in outputs] == [("00002", [(40, line)]), ("00000", [(7, line)])]
    assert [reject.message.offset() for reject in outputs[0][1].rejects] == [41, 42]
    assert [(batch.begin, batch.end) for _, batch in sums] == [(40, 43), (7, 9)]
    assert parts_of(sums[0][1].sums[5, 1_795_464_000, "country"]["NOR"]) == (17, 1)


def test_decoded_offsets_are_the_records() -> None:
    """Where there are gaps too."""
    _, batch = raw_batch(VISIT, Record(VISIT, offset=9))
    decoded = decode_batch(batch)
    assert list(decoded.offsets) == [0, 9]
    assert decoded.visits == [Visit(MOMENT, "NOR", "SHOPPING_CART", 17)] * 2


@pytest.mark.parametrize(("broken", "code", "result"), [(False, 0, "1 passed"), (True, 1, "1 failed")])
def test_the_readmes_example_is_a_test(tmp_path: Path, broken: bool, code: int, result: str) -> None:
    """As it is written there it passes, outside the checkout; with another country it does not."""
    (example,) = blocks("python")
    text = example.replace('"NOR"', '"SWE"') if broken else example
    assert (text != example) == broken
    (tmp_path / "test_carts.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_carts.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, result in done.stdout) == (code, True), done.stdout + done.stderr
