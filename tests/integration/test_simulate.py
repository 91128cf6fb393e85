"""`python -m simulate` against real Kafka: what it reports as sent is what Kafka contains."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from clients import kafka
from ops.servers.software import ROOT
from oracle.truth import add, load
from settings import Settings
from tests.simulator import ANOMALIES, START, Run, await_messages, check, contents_of, run_to_end, stated
from tests.support import ends, process_environment, read_committed


@pytest.mark.parametrize("key", ["none", "country", "action"])
def test_the_truth_is_what_kafka_contains(
    key: str, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Totals, carts in order, rejects by reason and messages per partition, with every anomaly."""
    arguments = ["--rate", "0", "--count", "20001", *ANOMALIES, "--key", key, "--truth", "truth.json"]
    run_to_end(arguments, environment, tmp_path)
    truth = load(tmp_path / "truth.json")
    assert truth.topic == settings.visits_topic
    assert sum(truth.messages.values()) == 20_001
    partitions_of: dict[bytes | None, set[int]] = {}
    for record in check(settings, truth):
        partitions_of.setdefault(record.key, set()).add(record.partition)
    if key == "none":
        assert partitions_of == {None: {0, 1, 2, 3}}
    else:
        assert all(len(partitions) == 1 for partitions in partitions_of.values())
        assert None not in partitions_of


@pytest.mark.environment(NAIVE_TIMEZONE="Europe/Berlin", WINDOW_LENGTHS_S="10,100")
def test_the_truth_follows_the_settings(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Other windows, and a time zone in which dates without an offset are visits."""
    run_to_end(["--count", "5000", *START, "--rate", "0", *ANOMALIES, "--truth", "truth.json"], environment, tmp_path)
    truth = load(tmp_path / "truth.json")
    assert (truth.window_lengths_s, truth.naive_timezone) == ((10, 100), "Europe/Berlin")
    assert set(truth.rejected) == {"malformed", "invalid"}
    check(settings, truth)


def test_the_same_seed_gives_the_same_bytes_in_the_same_partitions(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Two runs send the same, one at a rate, one flat out."""
    arguments = ["--count", "4000", *START, "--seed", "7", *ANOMALIES]
    run_to_end([*arguments, "--rate", "1000"], environment, tmp_path)
    run_to_end([*arguments, "--rate", "0"], environment, tmp_path)
    records = read_committed(settings, settings.visits_topic)
    for partition in range(4):
        values = [record.value for record in records if record.partition == partition]
        assert len(values) == 2000
        assert values[:1000] == values[1000:]


def test_a_dry_run_prints_what_a_run_sends(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """One line each, in their order, and sends nothing."""
    arguments = ["--count", "2000", *START, "--rate", "0"]
    lines = run_to_end([*arguments, "--dry-run"], environment, tmp_path).splitlines()
    assert sum(ends(settings, settings.visits_topic).values()) == 0
    run_to_end(arguments, environment, tmp_path)
    records = read_committed(settings, settings.visits_topic)
    sent = {(record.offset, record.partition): record.value for record in records}
    assert [value.decode() for _, value in sorted(sent.items()) if value is not None] == lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_delivers_what_is_in_flight_and_sums_up(
    number: signal.Signals, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """The truth is written, the summary counts what was acknowledged, and the exit code is 0."""
    run = Run(["--rate", "0", *ANOMALIES, "--truth", "truth.json", "--summary", "json"], environment, tmp_path)
    await_messages(settings, 50_000)
    run.process.send_signal(number)
    code, out, err = run.end(timeout_s=30)
    assert code == 0, err
    summary = msgspec.json.decode(out, type=dict)
    records = check(settings, load(tmp_path / "truth.json"))
    assert summary["messages"] == len(records) > 50_000
    assert (summary["failed"], summary["unknown"], summary["truth"]) == (0, 0, "truth.json")
    assert summary["visits"] + sum(summary["rejected"].values()) == summary["messages"]


def test_truths_of_several_simulators_at_once_add_up(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """They equal the log, except for the order of carts of different simulators."""
    names = [f"truth{n}.json" for n in range(3)]
    arguments = ["--rate", "0", "--count", "10000", *ANOMALIES]
    runs = [Run([*arguments, "--seed", str(n), "--truth", name], environment, tmp_path) for n, name in enumerate(names)]
    assert [run.end()[0] for run in runs] == [0, 0, 0]
    truth = add([load(tmp_path / name) for name in names])
    contents = contents_of(settings, read_committed(settings, settings.visits_topic))
    unordered = {n: msgspec.structs.replace(carts, in_order=None) for n, carts in contents.carts.items()}
    assert stated(truth) == contents._replace(carts=unordered)


def test_messages_that_kafka_refuses_are_reported(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Messages larger than the topic allows: exit code 1, the error's name, and nothing in the truth."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, settings.visits_topic)
    entry = ConfigEntry("max.message.bytes", "10", incremental_operation=AlterConfigOpType.SET)
    resource.add_incremental_config(entry)
    admin = kafka.admin_client(settings)  # if it were closed before the response, the call would be cancelled
    admin.incremental_alter_configs([resource])[resource].result()
    code, _, err = Run(["--count", "4", "--truth", "truth.json"], environment, tmp_path).end()
    assert code == 1
    assert "0 messages acknowledged" in err
    assert "too large" in err.lower()
    truth = load(tmp_path / "truth.json")
    assert (sum(truth.messages.values()), truth.totals, truth.unresolved) == (0, [], [])


def test_a_truth_that_cannot_be_written_does_not_suppress_the_summary(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """The summary comes first and names no file; then the error message, and its exit code."""
    (tmp_path / "out").mkdir()
    run = Run(["--rate", "500", "--truth", "out/truth.json", "--summary", "json"], environment, tmp_path)
    await_messages(settings, 100)
    (tmp_path / "out").rmdir()
    run.process.send_signal(signal.SIGINT)
    code, out, err = run.end()
    assert code == 78
    summary = msgspec.json.decode(out, type=dict)
    assert summary["messages"] == sum(ends(settings, settings.visits_topic).values())
    assert summary["truth"] is None
    assert err.splitlines()[-1].startswith("simulate: --truth out/truth.json cannot be written: ")


def test_a_missing_topic_is_one_message(environment: dict[str, str], tmp_path: Path) -> None:
    """It names the topic and the cure."""
    code, out, err = Run(["--count", "1"], environment, tmp_path).end()
    cure = "run python -m ops provision"
    assert (code, out) == (78, "")
    assert err == f"simulate: VISITS_TOPIC: Kafka has no topic {environment['VISITS_TOPIC']!r}: {cure}\n"


def test_an_unavailable_kafka_is_one_message(tmp_path: Path) -> None:
    """It names the address, within seconds."""
    environment = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    code, out, err = Run(["--count", "1"], environment, tmp_path).end(timeout_s=30)
    assert (code, out) == (69, "")
    assert err.count("\n") == 1
    assert "127.0.0.1:1" in err
    assert "is Kafka running" in err


def test_a_wrong_setting_is_one_message(environment: dict[str, str], tmp_path: Path) -> None:
    """Also one that only Kafka's client checks."""
    wrong = [("WINDOW_LENGTHS_S", "7,5", "'7,5'"), ("KAFKA_CONFIG_LINGER_MS", "soon", "LINGER_MS is 'soon', but")]
    for variable, value, message in wrong:
        code, _, err = Run(["--count", "1"], environment | {variable: value}, tmp_path).end()
        assert code == 78
        assert err.count("\n") == 1
        assert message in err


def test_a_terminal_shows_a_live_panel(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """The target rate and the rate reached, what was acknowledged, and the anomalies."""
    ours, theirs = os.openpty()
    arguments = [sys.executable, "-m", "simulate", "--rate", "2000", "--duration", "2.5", *ANOMALIES]
    process = subprocess.Popen(
        arguments, env=process_environment(environment) | {"TERM": "xterm"}, cwd=tmp_path, stderr=theirs
    )
    os.close(theirs)
    output = b""
    try:
        while data := os.read(ours, 65_536):
            output += data
    except OSError:
        pass  # Linux returns EIO when the last writer has closed a terminal
    os.close(ours)
    assert process.wait(30) == 0
    text = output.decode()
    for piece in ("load generator, ", "/s of 2,000/s", "acknowledged", "malformed", "held up by Kafka"):
        assert piece in text
    assert re.search(r"the last \d+ s", text)
    assert sum(ends(settings, settings.visits_topic).values()) == 5000


COMMANDS = re.findall(
    r"^    python -m simulate (.*)$",
    re.sub(r"\\\n\s*", "", (ROOT / "docs/simulator.md").read_text(encoding="utf-8")),
    re.MULTILINE,
)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_documented_uses_work(
    command: str, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Each command of docs/simulator.md, as it stands there; the endless one until Ctrl-C."""
    visit = '{"visitDate": "2026-01-01T12:00:%02dZ", "country": "USA", "lastAction": "ORDER", "duration": 5}\n'
    (tmp_path / "visits.ndjson").write_text("".join(visit % second for second in range(60)), encoding="utf-8")
    run = Run(shlex.split(command), environment, tmp_path)
    endless = not re.search("--count|--duration|--replay", command)
    if endless:
        await_messages(settings, 500)
        run.process.send_signal(signal.SIGINT)
    code, out, err = run.end()
    assert code == 0, err
    in_kafka = sum(ends(settings, settings.visits_topic).values())
    if "--dry-run" in command:
        assert (in_kafka, out.count("\n")) == (0, 10_000)
    elif "--summary json" in command:
        assert msgspec.json.decode(out, type=dict)["messages"] == in_kafka == 1_000_000
    else:
        assert f"{in_kafka:,} messages acknowledged in " in err
    if "--truth" in command:
        check(settings, load(tmp_path / "truth.json"))
        assert re.search(r"^\d+ s: [\d,]+ acknowledged, [\d,]+/s \(target 2,000/s\)", err, re.MULTILINE)


def test_the_documentation_has_the_six_uses() -> None:
    """So that the test above has run them."""
    assert len(COMMANDS) == 6
