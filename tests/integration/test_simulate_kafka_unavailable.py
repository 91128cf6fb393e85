"""`python -m simulate` while Kafka is killed, unavailable or slow: it waits, shows it, and its truth stays right."""

import re
import signal
from pathlib import Path

import msgspec
import pytest

from ops.servers import Servers
from oracle.truth import load
from settings import Settings
from tests.simulator import ANOMALIES, Run, await_messages, check, contents_of, stated
from tests.support import read_committed


def test_the_truth_holds_when_kafka_is_killed(
    own_servers: Servers, own_settings: Settings, own_environment: dict[str, str], tmp_path: Path
) -> None:
    """Kill -9 in the middle, twice: the simulator waits and resumes; no visit is lost, duplicated or out of order."""
    assert own_servers.kafka is not None
    arguments = ["--rate", "20000", "--count", "200000", *ANOMALIES, "--truth", "truth.json", "--summary", "json"]
    run = Run(arguments, own_environment, tmp_path)
    for sent in (20_000, 80_000):
        await_messages(own_settings, sent)
        own_servers.kafka.kill()
        own_servers.kafka.start()
    code, out, err = run.end()
    assert code == 0, err
    assert msgspec.json.decode(out, type=dict)["messages"] == 200_000
    check(own_settings, load(tmp_path / "truth.json"))


@pytest.mark.parametrize("how", ["time-out", "second Ctrl-C"])
def test_a_failed_delivery_is_reported_and_not_in_the_truth(
    how: str, own_servers: Servers, own_settings: Settings, own_environment: dict[str, str], tmp_path: Path
) -> None:
    """Kafka unavailable for longer than the time-out: exit code 1, and what may still be in the log is listed."""
    assert own_servers.kafka is not None
    timeouts = {"KAFKA_CONFIG_MESSAGE_TIMEOUT_MS": "10000" if how == "time-out" else "300000"}
    timeouts["KAFKA_CONFIG_LINGER_MS"] = "1000"  # some messages are always in flight
    distinct = ["--countries", "5000", "--zipf", "0"]  # of equal cart lines in flight the order would be unknown
    arguments = ["--rate", "5000", *ANOMALIES, *distinct, "--truth", "truth.json"]
    run = Run(arguments, own_environment | timeouts, tmp_path)
    await_messages(own_settings, 10_000)
    own_servers.kafka.kill()
    if how == "second Ctrl-C":
        run.process.send_signal(signal.SIGINT)
        run.process.send_signal(signal.SIGTERM)
    code, _, err = run.end(timeout_s=120)
    own_servers.kafka.start()
    assert code == 1
    assert re.search(r"[\d,]+ failed \([\d,]+ times .*\); [\d,]+ of these may still be in the log", err)
    truth = load(tmp_path / "truth.json")
    contents = contents_of(own_settings, read_committed(own_settings, own_settings.visits_topic))
    surplus = sum(contents.messages.values()) - sum(truth.messages.values())
    assert 0 <= surplus <= len(truth.unresolved)
    if not surplus:
        assert stated(truth) == contents


def _held_up(run: Run) -> tuple[int, int]:
    """Return the seconds of the next line, and for how many of them Kafka had accepted nothing."""
    line = run.next_line()
    found = re.match(r"(\d+) s: .*?(?: held up by Kafka for (\d+).*)?$", line.rstrip())
    assert found, line
    return int(found[1]), int(found[2] or 0)


def test_a_full_queue_slows_it_and_is_shown_while_it_lasts(
    own_servers: Servers, own_settings: Settings, own_environment: dict[str, str], tmp_path: Path
) -> None:
    """With Kafka unavailable and the queue full a line every five seconds shows it, and no message is lost."""
    assert own_servers.kafka is not None
    small = {"KAFKA_CONFIG_QUEUE_BUFFERING_MAX_MESSAGES": "1000"}
    arguments = ["--rate", "0", "--count", "150000", *ANOMALIES, "--truth", "truth.json", "--summary", "json"]
    run = Run(arguments, own_environment | small, tmp_path)
    await_messages(own_settings, 10_000)
    own_servers.kafka.kill()
    try:
        first_s, first_held_s = _held_up(run)
        while first_held_s < 2:  # lines from before
            first_s, first_held_s = _held_up(run)
        second_s, second_held_s = _held_up(run)
    finally:
        own_servers.kafka.start()
    assert second_s - first_s >= 4
    assert second_held_s - first_held_s >= second_s - first_s - 2
    code, out, err = run.end()
    assert code == 0, err
    summary = msgspec.json.decode(out, type=dict)
    assert (summary["messages"], summary["failed"]) == (150_000, 0)
    assert summary["held_up_s"] > second_held_s
    moments = [int(found) for found in re.findall(r"^(\d+) s: ", err, re.MULTILINE)]
    assert sorted(set(moments)) == moments, "two lines for one moment"
    check(own_settings, load(tmp_path / "truth.json"))
