"""`python -m simulate` against real Kafka: what it says it sent is what lies there, whatever happens meanwhile."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

import broker
from operators.carts import cart_line, is_abandoned_cart
from operators.decode import Visit, decode_value
from ops.provision import provision
from ops.servers import ROOT, Servers
from settings import Settings
from simulate.truth import CartDigest, Carts, Total, Truth, add, load
from tests.support import Record, ends, own_names, process_environment, read_committed, remove, wait_until

HARD_DAY = [
    *("--malformed-share", "0.1", "--late-share", "0.1", "--late-by", "2d", "--duplicate-share", "0.05"),
    *("--out-of-order", "3s"),
]
START = ("--start", "2026-01-01T00:00:00Z")


class Holding(NamedTuple):
    """What a topic holds, read with the pipeline's own rules."""

    messages: dict[int, int]
    rejected: dict[str, int]
    carts: dict[int, Carts]
    totals: list[Total]


class Run:
    """`python -m simulate` as a process of its own."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], cwd: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulate", *arguments],
            env=process_environment(environment),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def end(self, *, timeout_s: float = 120) -> tuple[int, str, str]:
        """Wait for its end; return exit code, standard output and standard error."""
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, out.decode(), err.decode()


def _run(arguments: Sequence[str], environment: dict[str, str], cwd: Path) -> str:
    code, out, err = Run(arguments, environment, cwd).end()
    assert code == 0, err
    return out


def _await_messages(settings: Settings, number: int) -> None:
    wait_until(
        lambda: sum(ends(settings, settings.visits_topic).values()) > number,
        deadline_s=60,
        what=f"{number} messages",
    )


def _holding(settings: Settings, records: Sequence[Record], partitions: int = 4) -> Holding:
    messages, rejected = dict.fromkeys(range(partitions), 0), Counter[str]()
    digests = [CartDigest() for _ in range(partitions)]
    amounts: Counter[tuple[tuple[int, int, str, str], str]] = Counter()
    for record in records:
        messages[record.partition] += 1
        visit = decode_value(record.value, settings.naive_timezone)
        if not isinstance(visit, Visit):
            rejected[visit[0]] += 1
            continue
        if is_abandoned_cart(visit):
            digests[record.partition].add([cart_line(visit).encode()])
        second = int(visit.visit_date.timestamp())
        for length_s in settings.window_lengths_s:
            for board, entry in (("action", visit.last_action), ("country", visit.country)):
                row = (length_s, second - second % length_s, board, entry)
                amounts[row, "seconds"] += visit.duration
                amounts[row, "visits"] += 1
    rows = sorted({row for row, _ in amounts})
    totals = [Total(*row, amounts[row, "seconds"], amounts[row, "visits"]) for row in rows]
    return Holding(messages, dict(rejected), {n: digest.carts() for n, digest in enumerate(digests)}, totals)


def _stated(truth: Truth) -> Holding:
    return Holding(truth.messages, truth.rejected, truth.carts, truth.totals)


def _check(settings: Settings, truth: Truth) -> list[Record]:
    records = read_committed(settings, settings.visits_topic)
    assert _stated(truth) == _holding(settings, records)
    assert truth.visits == len(records) - sum(truth.rejected.values())
    assert truth.unresolved == []
    return records


@pytest.mark.parametrize("key", ["none", "country", "action"])
def test_the_truth_is_what_lies_in_kafka(
    key: str, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Totals, carts in order, rejects by reason and messages per partition, of a hard day."""
    arguments = ["--rate", "0", "--count", "20001", *HARD_DAY, "--key", key, "--truth", "truth.json"]
    _run(arguments, environment, tmp_path)
    truth = load(tmp_path / "truth.json")
    assert truth.topic == settings.visits_topic
    assert sum(truth.messages.values()) == 20_001
    partitions_of: dict[bytes | None, set[int]] = {}
    for record in _check(settings, truth):
        partitions_of.setdefault(record.key, set()).add(record.partition)
    if key == "none":
        assert partitions_of == {None: {0, 1, 2, 3}}
    else:
        assert all(len(partitions) == 1 for partitions in partitions_of.values())
        assert None not in partitions_of


@pytest.mark.environment(NAIVE_TIMEZONE="Europe/Berlin", WINDOW_LENGTHS_S="10,100")
def test_the_truth_follows_the_settings(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Other windows, and a time zone in which dates without an offset are visits."""
    _run(["--count", "5000", *START, "--rate", "0", *HARD_DAY, "--truth", "truth.json"], environment, tmp_path)
    truth = load(tmp_path / "truth.json")
    assert (truth.window_lengths_s, truth.naive_timezone) == ((10, 100), "Europe/Berlin")
    assert set(truth.rejected) == {"malformed", "invalid"}
    _check(settings, truth)


def test_the_same_seed_gives_the_same_bytes_in_the_same_partitions(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Twice sent is the same twice; once slowly, once flat out makes no difference but for the dates' plan."""
    arguments = ["--count", "4000", *START, "--seed", "7", *HARD_DAY]
    _run([*arguments, "--rate", "1000"], environment, tmp_path)
    _run([*arguments, "--rate", "0"], environment, tmp_path)
    records = read_committed(settings, settings.visits_topic)
    for partition in range(4):
        values = [record.value for record in records if record.partition == partition]
        assert len(values) == 2000
        assert values[:1000] == values[1000:]


def test_a_dry_run_prints_what_a_run_sends(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """One line each, in their order, and sends nothing."""
    arguments = ["--count", "2000", *START, "--rate", "0"]
    lines = _run([*arguments, "--dry-run"], environment, tmp_path).splitlines()
    assert sum(ends(settings, settings.visits_topic).values()) == 0
    _run(arguments, environment, tmp_path)
    records = read_committed(settings, settings.visits_topic)
    sent = {(record.offset, record.partition): record.value for record in records}
    assert [value.decode() for _, value in sorted(sent.items()) if value is not None] == lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_delivers_what_is_under_way_and_sums_up(
    number: signal.Signals, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """The truth is written, the summary says what was acknowledged, and the exit code is 0."""
    run = Run(["--rate", "0", *HARD_DAY, "--truth", "truth.json", "--summary", "json"], environment, tmp_path)
    _await_messages(settings, 50_000)
    run.process.send_signal(number)
    code, out, err = run.end(timeout_s=30)
    assert code == 0, err
    summary = msgspec.json.decode(out, type=dict)
    records = _check(settings, load(tmp_path / "truth.json"))
    assert summary["messages"] == len(records) > 50_000
    assert (summary["failed"], summary["unknown"], summary["truth"]) == (0, 0, "truth.json")
    assert summary["visits"] + sum(summary["rejected"].values()) == summary["messages"]


def test_truths_of_several_simulators_at_once_add_up(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """All is as the log has it, but for the order in which carts of different simulators came."""
    names = [f"truth{n}.json" for n in range(3)]
    arguments = ["--rate", "0", "--count", "10000", *HARD_DAY]
    runs = [Run([*arguments, "--seed", str(n), "--truth", name], environment, tmp_path) for n, name in enumerate(names)]
    assert [run.end()[0] for run in runs] == [0, 0, 0]
    truth = add([load(tmp_path / name) for name in names])
    held = _holding(settings, read_committed(settings, settings.visits_topic))
    unordered = {n: msgspec.structs.replace(carts, in_order=None) for n, carts in held.carts.items()}
    assert _stated(truth) == held._replace(carts=unordered)


@pytest.fixture
def own_environment(own_servers: Servers) -> Iterator[dict[str, str]]:
    """A pipeline on servers that the test may kill."""
    variables = own_names(own_servers)
    settings = Settings.from_environment(variables)
    provision(settings)
    yield variables
    remove(settings)


def test_the_truth_holds_when_kafka_is_killed(
    own_servers: Servers, own_environment: dict[str, str], tmp_path: Path
) -> None:
    """Kill -9 in the middle, twice: the simulator waits and goes on; no visit is lost, doubled or out of order."""
    assert own_servers.kafka is not None
    settings = Settings.from_environment(own_environment)
    arguments = ["--rate", "20000", "--count", "200000", *HARD_DAY, "--truth", "truth.json", "--summary", "json"]
    run = Run(arguments, own_environment, tmp_path)
    for sent in (20_000, 80_000):
        _await_messages(settings, sent)
        own_servers.kafka.kill()
        own_servers.kafka.start()
    code, out, err = run.end()
    assert code == 0, err
    assert msgspec.json.decode(out, type=dict)["messages"] == 200_000
    _check(settings, load(tmp_path / "truth.json"))


@pytest.mark.parametrize("how", ["time-out", "second Ctrl-C"])
def test_a_failed_delivery_is_named_and_not_in_the_truth(
    how: str, own_servers: Servers, own_environment: dict[str, str], tmp_path: Path
) -> None:
    """Kafka away for longer than it may be: exit code 1, and what may be in the log all the same is listed."""
    assert own_servers.kafka is not None
    settings = Settings.from_environment(own_environment)
    patience = {"KAFKA_CONFIG_MESSAGE_TIMEOUT_MS": "3000" if how == "time-out" else "300000"}
    arguments = ["--rate", "5000", *HARD_DAY, "--truth", "truth.json"]
    run = Run(arguments, own_environment | patience, tmp_path)
    _await_messages(settings, 10_000)
    own_servers.kafka.kill()
    if how == "second Ctrl-C":
        run.process.send_signal(signal.SIGINT)
        run.process.send_signal(signal.SIGTERM)
    code, _, err = run.end(timeout_s=60)
    own_servers.kafka.start()
    assert code == 1
    assert re.search(r"[\d,]+ failed \([\d,]+ times .*\); [\d,]+ of these may be in the log all the same", err)
    truth = load(tmp_path / "truth.json")
    held = _holding(settings, read_committed(settings, settings.visits_topic))
    surplus = sum(held.messages.values()) - sum(truth.messages.values())
    assert 0 <= surplus <= len(truth.unresolved)
    if not surplus:
        assert _stated(truth) == held


def test_what_kafka_refuses_is_named(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Messages larger than the topic takes: exit code 1, the error's name, and nothing in the truth."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, settings.visits_topic)
    entry = ConfigEntry("max.message.bytes", "10", incremental_operation=AlterConfigOpType.SET)
    resource.add_incremental_config(entry)
    admin = broker.admin_client(settings)  # gone before the answer, it would cancel the call
    admin.incremental_alter_configs([resource])[resource].result()
    code, _, err = Run(["--count", "4", "--truth", "truth.json"], environment, tmp_path).end()
    assert code == 1
    assert "0 messages acknowledged" in err
    assert "too large" in err.lower()
    truth = load(tmp_path / "truth.json")
    assert (sum(truth.messages.values()), truth.totals, truth.unresolved) == (0, [], [])


def test_a_missing_topic_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    """It names the topic and the cure."""
    code, out, err = Run(["--count", "1"], environment, tmp_path).end()
    cure = "run python -m ops provision"
    assert (code, out) == (78, "")
    assert err == f"simulate: VISITS_TOPIC: Kafka has no topic {environment['VISITS_TOPIC']!r}: {cure}\n"


def test_kafka_away_is_one_line(tmp_path: Path) -> None:
    """It names the address, within seconds."""
    environment = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    code, out, err = Run(["--count", "1"], environment, tmp_path).end(timeout_s=30)
    assert (code, out) == (69, "")
    assert err.count("\n") == 1
    assert "127.0.0.1:1" in err
    assert "is Kafka running" in err


def test_a_wrong_setting_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    """Also one that only Kafka's client knows to be wrong."""
    wrong = [("WINDOW_LENGTHS_S", "7,5", "'7,5'"), ("KAFKA_CONFIG_LINGER_MS", "soon", "check the KAFKA_CONFIG_*")]
    for variable, value, said in wrong:
        code, _, err = Run(["--count", "1"], environment | {variable: value}, tmp_path).end()
        assert code == 78
        assert err.count("\n") == 1
        assert said in err


def test_a_terminal_shows_a_live_panel(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """The rate asked and reached, what was acknowledged, what is odd."""
    ours, theirs = os.openpty()
    arguments = [sys.executable, "-m", "simulate", "--rate", "2000", "--duration", "2.5", *HARD_DAY]
    process = subprocess.Popen(
        arguments, env=process_environment(environment) | {"TERM": "xterm"}, cwd=tmp_path, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65_536):
            shown += data
    except OSError:
        pass  # Linux says EIO when the last writer has closed a terminal
    os.close(ours)
    assert process.wait(30) == 0
    text = shown.decode()
    for piece in ("visitors, ", "/s of 2,000/s", "acknowledged", "malformed", "held up by Kafka", "the last 2 s"):
        assert piece in text
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
        _await_messages(settings, 500)
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
        _check(settings, load(tmp_path / "truth.json"))
        assert re.search(r"^5 s: [\d,]+ acknowledged, [\d,]+/s \(2,000/s asked\)", err, re.MULTILINE)


def test_the_documentation_has_the_five_uses() -> None:
    """So that the test above has run them."""
    assert len(COMMANDS) == 5
