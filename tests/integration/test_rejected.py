"""`python -m ops rejected`: what was rejected is shown, and sent back exactly once."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from clients import kafka, kafka_config
from ops.rejects.markers import markers_topic
from ops.rejects.record import ATTEMPT_HEADER, RejectedLog, Selection
from ops.rejects.replay import CHUNK_VISITS, Replayer, chunks_of
from ops.servers import ROOT
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.pipeline import ops, run_to_end
from tests.support import Record, ends, process_environment, produce, read_committed, wait_until

NO_ZONE = b'{"visitDate":"2026-01-01T00:00:00","country":"USA","lastAction":"FAQ","duration":1}'
GOOD = NO_ZONE.replace(b'00"', b'00Z"', 1)
NEGATIVE = GOOD.replace(b":1}", b":-1}")

Headers = list[tuple[str, str | bytes | None]]
Message = tuple[int, bytes | None, bytes | None, Headers]


@pytest.fixture(autouse=True)
def no_markers_left(environment: dict[str, str]) -> Iterator[None]:
    """The markers' topic is the command's own: the fixture `environment` does not remove it."""
    yield
    settings = Settings.from_environment(environment)
    admin = kafka.admin_client(settings)
    topic = markers_topic(settings)
    if kafka.describe(admin, settings, [topic])[topic]:
        admin.delete_topics([topic])[topic].result()


def rejected(environment: dict[str, str], *arguments: str, code: int = 0) -> list[str]:
    """Run the command; return its output, that on standard error where it was refused."""
    done = ops(environment, "rejected", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return (done.stderr if code else done.stdout).splitlines()


def send(settings: Settings, topic: str, messages: list[Message]) -> None:
    """Send partition, key, value and headers."""
    producer = Producer(kafka_config.client_config(settings, enable_idempotence=True))
    for partition, key, value, headers in messages:
        producer.produce(topic, value, key, partition, headers=headers)
    assert producer.flush(30) == 0


def limit(settings: Settings, topic: str, most_bytes: int) -> None:
    """Let a topic accept no larger messages."""
    admin = kafka.admin_client(settings)
    entry = ConfigEntry("max.message.bytes", str(most_bytes), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result()


def as_message(record: Record) -> tuple[Any, ...]:
    return record.partition, record.key, record.value, list(record.headers)


def test_ls_sums_by_reason_and_partition_and_age(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Foreign records are counted apart, and control codes in a foreign reason never reach the terminal."""
    bad: list[tuple[int, bytes | str | None]] = [(0, b"["), (0, None), (0, GOOD), (1, b"]"), (1, NO_ZONE), (3, b"{}")]
    produce(settings, bad)
    run_to_end(environment, tmp_path)
    send(settings, settings.rejected_topic, [(2, None, b"x", [("reason", b"\x1b[31m[red]odd")])])

    found = json.loads(rejected(environment, "ls", "--json")[0])
    sums = [(row["reason"], row["partition"], row["count"]) for row in found["rejected"]]
    ours = [("invalid", 3, 1), ("malformed", 0, 2), ("malformed", 1, 1), ("no_timezone", 1, 1)]
    assert (found["topic"], found["count"]) == (settings.rejected_topic, 6)
    assert sums == [("(no visit named)", 2, 1), *ours]
    assert all(row["ages"] == {"<1h": row["count"], "<1d": 0, "<7d": 0, "older": 0} for row in found["rejected"])
    assert all(row["oldest"] <= row["newest"] and row["sent_back"] == 0 for row in found["rejected"])

    table = rejected(environment, "ls")
    assert [line.split()[:7] for line in table if "malformed" in line] == [
        ["malformed", "0", "2", "0", "0", "0", "2"],
        ["malformed", "1", "1", "0", "0", "0", "1"],
    ]
    assert all(len(line) <= 80 and line.isprintable() for line in table)
    one = json.loads(rejected(environment, "ls", "--json", "--reason", "malformed", "--partition", "0")[0])
    assert [(row["reason"], row["partition"], row["count"]) for row in one["rejected"]] == [("malformed", 0, 2)]


def test_show_prints_bytes_safely(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """No control code, bidirectional override or broken UTF-8 reaches the terminal; what is long is truncated."""
    nasty = "\x1b]0;title\x07\r\n\u202eabc\x9b2J".encode() + b"\xff\x00"
    header: Headers = [("tr\x1bace", b"\x1b[2J"), ("none", None)]
    send(settings, settings.visits_topic, [(0, b"k\x1b[1m", nasty, header), (0, None, b"\xc3\xa9" * 400, [])])
    send(settings, settings.visits_topic, [(1, None, None, [])])
    run_to_end(environment, tmp_path)
    forged = b"0" * 32 + b"/to\x1b[2Jpic/0/9"
    send(settings, settings.rejected_topic, [(2, None, b"\x1b", [("visit", forged), ("reason", b"\x1b[7m")])])

    lines = rejected(environment, "show")
    assert all(line.isprintable() for line in lines), lines
    text = "\n".join(lines)
    assert r"\x1b]0;title\x07\r\n" in text
    assert r"header   tr\x1bace: \x1b[2J" in text
    assert r"header   none: \N" in text
    assert r"key      k\x1b[1m" in text
    assert f"value    {'é' * 250}… (800 bytes)" in text
    assert f"value    {'é' * 3}… (800 bytes)" in "\n".join(rejected(environment, "show", "--bytes", "7"))

    assert len([line for line in lines if line.startswith("partition ")]) == 4
    (shown,) = [line for line in rejected(environment, "show", "--partition", "1") if line.startswith("partition ")]
    assert shown.startswith("partition 1 offset 0 ")
    assert shown.endswith("malformed")
    assert rejected(environment, "show", "--offsets", "7-9") == []
    assert rejected(environment, "show", "--limit", "1")[-1] == "there are more than 1: --limit shows more of them"
    assert "has partitions 0 to 3" in rejected(environment, "show", "--partition", "4", code=ExitCode.CONFIG)[0]


def test_replay_sends_the_original_back_once_and_counts_attempts(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Bytes, key, foreign headers and partition are the original's; the sink's own headers are there once.

    Rejected again, a visit is sent again, until it has had its attempts; in the end verify passes.
    """
    trace: Headers = [("trace", b"\x00\xff"), ("trace", b"again"), ("empty", None)]
    originals: list[Message] = [(0, b"key", b"\xff\x00", trace), (2, None, None, []), (3, b"", NEGATIVE, [("a", b"")])]
    send(settings, settings.visits_topic, [*originals, (1, None, GOOD, [])])
    for attempt in (1, 2):
        run_to_end(environment, tmp_path)
        assert rejected(environment, "replay", "--max-attempts", "2")[0].startswith("3 visits sent back")
        again = rejected(environment, "replay", "--max-attempts", "2")
        assert again == ["nothing to send back", f"{3 * attempt} skipped: already sent back"]
        log = [as_message(record) for record in read_committed(settings, settings.visits_topic)]
        marked = [(*sent[:3], [*sent[3], (ATTEMPT_HEADER, b"%d" % attempt)]) for sent in originals]
        assert [message for message in log if (ATTEMPT_HEADER, b"%d" % attempt) in message[3]] == marked
        assert len(log) == 4 + 3 * attempt

    run_to_end(environment, tmp_path)
    assert rejected(environment, "replay", "--dry-run")[0].startswith("3 visits would be sent back")
    records = read_committed(settings, settings.rejected_topic)
    assert len(records) == 9
    for partition, key, value, headers in originals:
        *_, last = [record for record in records if record.partition == partition]
        names = Counter(name for name, _ in last.headers)
        assert (last.key, last.value) == (key, value)
        assert list(last.headers[: len(headers) + 1]) == [*headers, (ATTEMPT_HEADER, b"2")]
        assert names["visit"] == names["reason"] == names["__connect.errors.offset"] == names[ATTEMPT_HEADER] == 1
    assert rejected(environment, "replay", "--max-attempts", "2") == [
        "nothing to send back",
        "6 skipped: already sent back",
        "3 skipped: sent back and rejected too often (--max-attempts)",
    ]
    assert rejected(environment, "replay", "--reason", "invalid")[0].startswith("1 visits sent back")
    rejected_rows = json.loads(rejected(environment, "ls", "--json")[0])["rejected"]
    assert sum(row["sent_back"] for row in rejected_rows) == 7
    verified = ops(environment, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_replay_sends_what_is_selected_and_needs_confirmation_for_many(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """101 are many; without a terminal the message names --yes, and nothing is sent."""
    produce(settings, [(at % 2, b"x") for at in range(201)])
    run_to_end(environment, tmp_path)
    (line,) = rejected(environment, "replay", "--partition", "0", code=ExitCode.CONFIG)
    assert "101 visits" in line
    assert "--yes" in line
    assert len(read_committed(settings, settings.visits_topic)) == 201
    assert rejected(environment, "replay", "--partition", "1")[0].startswith("100 visits sent back")
    assert rejected(environment, "replay", "--offsets", "10-19")[0].startswith("10 visits sent back")
    assert rejected(environment, "replay", "--yes")[0].startswith("91 visits sent back")
    sent = Counter(record.partition for record in read_committed(settings, settings.visits_topic))
    assert sent == {0: 202, 1: 200}


def test_killed_at_any_moment_nothing_is_lost_and_nothing_sent_twice(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """kill -9 three times in mid-replay, then once to the end: every visit is back once."""
    count = 8_000
    produce(settings, [(at % 4, b"no visit %d" % at) for at in range(count)])
    run_to_end(environment, tmp_path)
    expected = sorted(b"no visit %d" % at for at in range(count))

    def sent_back() -> list[Record]:
        return [record for record in read_committed(settings, settings.visits_topic) if record.headers]

    def whole_transactions() -> list[Record]:  # a commit reaches one partition after the other
        sent = sent_back()
        return sent if len(sent) % CHUNK_VISITS == 0 else []

    def length() -> int:
        return sum(ends(settings, settings.visits_topic).values())

    def reached(goal: int) -> bool:
        return length() >= goal

    counts = [0]
    for _ in range(3):
        before = length()
        with subprocess.Popen(
            [sys.executable, "-m", "ops", "rejected", "replay", "--yes"],
            cwd=ROOT,
            env=process_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as replay:
            try:
                # more than the one transaction that the last kill has left, and its markers
                goal = before + 2 * CHUNK_VISITS + 10
                wait_until(partial(reached, goal), deadline_s=60, what="a commit")
            finally:
                replay.kill()
        sent = wait_until(whole_transactions, deadline_s=30, what="whole transactions")
        counts.append(len(sent))
    assert 0 < counts[1] < counts[2] < counts[3] < count
    rejected(environment, "replay", "--yes")
    assert sorted(record.value or b"" for record in sent_back()) == expected
    assert rejected(environment, "replay", "--yes")[0] == "nothing to send back"


def test_a_second_replay_ends_the_first(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """What the first has not committed it never will; its error message names the reason."""
    produce(settings, [(0, b"x"), (1, b"y")])
    run_to_end(environment, tmp_path)
    rejected(environment, "replay", "--partition", "1")
    admin = kafka.admin_client(settings)
    (chunk,) = chunks_of(RejectedLog(settings, admin, Selection(partition=0)).records())
    first = Replayer(settings)
    Replayer(settings)
    with pytest.raises(Fatal, match="another replay has begun"):
        first.send(chunk)
    assert len(read_committed(settings, settings.visits_topic)) == 3
    assert rejected(environment, "replay")[0].startswith("1 visits sent back")


def test_what_cannot_be_sent_back_is_skipped_and_reported(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Truncated, foreign, or larger than the input now accepts; the others of its transaction are sent."""
    large = b"".join(b"%d," % at for at in range(60_000))
    produce(settings, [(0, b"before"), (0, large), (0, b"after")])
    run_to_end(environment, tmp_path)
    visit = b"0" * 32 + b"/topic/0/9"
    records: list[Message] = [
        (0, None, b"truncated", [("visit", visit), ("truncated", b"99")]),
        (0, None, b"foreign", []),
    ]
    send(settings, settings.rejected_topic, records)
    limit(settings, settings.visits_topic, 20_000)

    assert rejected(environment, "replay") == [
        f"2 visits sent back to {settings.visits_topic}",
        "1 skipped: truncated when they were rejected: only the input topic has the whole message",
        "1 skipped: name no visit: not written by the dataflow",
        "1 skipped: larger than the input topic now accepts",
    ]
    back = [record.value for record in read_committed(settings, settings.visits_topic) if record.headers]
    assert back == [b"before", b"after"]
    assert rejected(environment, "replay", "--dry-run")[0].startswith("1 visits would be")


def test_what_lost_its_key_is_marked_as_truncated(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """A null value cannot be truncated, but the record is not whole: verify passes, and replay skips it."""
    limit(settings, settings.rejected_topic, 100_000)
    key = os.urandom(150_000)
    send(
        settings, settings.visits_topic, [(0, key, None, [("mine", b"1")]), (0, key, b"short", []), (0, b"k", None, [])]
    )
    run_to_end(environment, tmp_path)
    records = read_committed(settings, settings.rejected_topic)
    assert [(record.key, record.value) for record in records] == [(None, None), (None, b"short"), (b"k", None)]
    assert [dict(record.headers).get("truncated") for record in records] == [b"0", b"5", None]
    verified = ops(environment, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert rejected(environment, "replay") == [
        f"1 visits sent back to {settings.visits_topic}",
        "2 skipped: truncated when they were rejected: only the input topic has the whole message",
    ]
