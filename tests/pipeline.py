"""The dataflow as its users run it: processes, their end, and what they leave in database and topics."""

import re
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ops.servers import ROOT
from ops.servers.processes import free_port
from settings import Settings
from tests.support import process_environment, produce, query, read_committed, wait_until
from tests.traffic import Row, Sent, Truth, snapshot

ORIGIN = re.compile(r"([0-9a-f]{32})/([^/]+)/(\d+)/(\d+)")


class Dataflow:
    """One run of the dataflow: one process, or several that are one cluster."""

    def __init__(self, environment: Mapping[str, str], log: Path, *, processes: int, workers: int) -> None:
        self.log = log
        command = [sys.executable, "-m", "bytewax.run", "dataflow:flow", "-w", str(workers)]
        ports: set[int] = set()
        while len(ports) < processes:
            ports.add(free_port())
        addresses = ";".join(f"127.0.0.1:{port}" for port in sorted(ports))
        flags = [["-i", str(index), "-a", addresses] if processes > 1 else [] for index in range(processes)]
        with log.open("ab") as stream:
            self.processes = [
                subprocess.Popen(
                    [*command, *more],
                    cwd=ROOT,
                    env=process_environment(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                )
                for more in flags
            ]

    def kill(self) -> None:
        """Kill -9, all of them."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(30)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of them."""
        for process in self.processes:
            process.send_signal(number)

    def wait(self, deadline_s: float = 120) -> list[int]:
        """Return the exit codes when all have ended."""
        wait_until(
            lambda: all(process.poll() is not None for process in self.processes) or None,
            deadline_s=deadline_s,
            what=lambda: f"the dataflow's end; its log ends with {self.output()[-2000:]}",
        )
        return [process.returncode for process in self.processes]

    def alive(self) -> bool:
        """Return whether all of them are running."""
        return all(process.poll() is None for process in self.processes)

    def output(self) -> str:
        """Return what they have written to standard output and error."""
        return self.log.read_text(encoding="utf-8", errors="replace")


class Log:
    """What was sent so far, of all that there is to send, and the expected results."""

    def __init__(self, settings: Settings, messages: list[Sent]) -> None:
        self._settings = settings
        self._messages = messages
        self.truth = Truth([])
        self.length = 0

    @contextmanager
    def growing_to(self, length: int) -> Iterator[None]:
        """Send more, meanwhile; all of it has been sent in the end."""
        more = self._messages[self.length : length]
        self.length += len(more)
        self.truth.add(more)
        values = [(message.partition, message.value) for message in more]
        sending = threading.Thread(target=produce, args=(self._settings, values))
        sending.start()
        try:
            yield
        finally:
            sending.join()


@contextmanager
def running(
    environment: Mapping[str, str], folder: Path, *, processes: int = 1, workers: int = 1, name: str = "dataflow"
) -> Iterator[Dataflow]:
    """Run the dataflow for as long as this lasts; processes that are left then are killed."""
    dataflow = Dataflow(environment, folder / f"{name}.log", processes=processes, workers=workers)
    try:
        yield dataflow
    finally:
        dataflow.kill()


@contextmanager
def ops_run(environment: dict[str, str], folder: Path) -> Iterator[psutil.Process]:
    """Run the dataflow as its users keep it running: two processes, started again when one ends."""
    with (folder / "run.log").open("wb") as stream:
        runner = subprocess.Popen(
            [sys.executable, "-m", "ops", "run", "-p", "2"],
            cwd=ROOT,
            env=process_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        yield psutil.Process(runner.pid)
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(6) == 0
    finally:
        runner.kill()
        runner.wait(30)


def run_to_end(environment: Mapping[str, str], folder: Path, *, processes: int = 1, workers: int = 1) -> None:
    """Run the dataflow until the topic's present end; fail if it does not end with 0."""
    with running({**environment, "STOP_AT_END": "1"}, folder, processes=processes, workers=workers) as dataflow:
        codes = dataflow.wait()
        if any(codes):
            pytest.fail(f"ended with {codes}: {dataflow.output()[-4000:]}")


def progressed(settings: Settings) -> int:
    """Return how many messages are counted."""
    rows = query(settings, "SELECT COALESCE(SUM(messages), 0) FROM progress")
    return int(rows[0][0])


def check_promise_1(settings: Settings, truth: Truth) -> int:
    """Compare every row with the log up to the offsets that the database states; return the number of messages."""
    return check_snapshot(*snapshot(settings), truth)


def check_snapshot(
    progress: Mapping[int, tuple[int, int, int, int]], totals: Mapping[Row, tuple[int, int]], truth: Truth
) -> int:
    """Compare what the database held at one instant; return the number of messages."""
    expected = truth.rows({partition: row[0] for partition, row in progress.items()})
    differences = {
        row: (totals.get(row), expected.get(row))
        for row in totals.keys() | expected.keys()
        if totals.get(row) != expected.get(row)
    }
    assert not differences, f"{len(differences)} rows differ, such as {list(differences.items())[:3]}"
    for partition, (next_offset, *counts) in progress.items():
        assert tuple(counts) == truth.counts(partition, next_offset)
    return sum(row[1] for row in progress.values())


def check_outputs(settings: Settings, truth: Truth) -> None:
    """Compare every cart and every reject with what was sent: each once, in order, naming its visit."""
    carts: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for record in read_committed(settings, settings.carts_topic):
        origin = ORIGIN.fullmatch((record.key or b"").decode())
        assert origin, record
        assert int(origin[3]) == record.partition
        carts[record.partition].append((int(origin[4]), (record.value or b"").decode()))
    assert dict(carts) == {partition: lines for partition, lines in truth.carts().items() if lines}

    rejects: dict[int, list[tuple[int, bytes | None, str]]] = defaultdict(list)
    for record in read_committed(settings, settings.rejected_topic):
        ours = ("visit", "reason", "__connect.errors.")  # the sender's may be of any bytes
        headers = {name: (value or b"").decode() for name, value in record.headers if name.startswith(ours)}
        origin = ORIGIN.fullmatch(headers["visit"])
        assert origin, record
        assert int(origin[3]) == record.partition == int(headers["__connect.errors.partition"])
        assert headers["__connect.errors.offset"] == origin[4]
        assert headers["__connect.errors.topic"] == settings.visits_topic
        rejects[record.partition].append((int(origin[4]), record.value, headers["reason"]))
    assert dict(rejects) == {partition: bad for partition, bad in truth.rejects().items() if bad}


def check_all(settings: Settings, truth: Truth) -> None:
    """Compare everything, at the end of the log."""
    assert check_promise_1(settings, truth) == truth.messages()
    check_outputs(settings, truth)


def ops(environment: Mapping[str, str], *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run one of our command-line tools to its end."""
    command = [sys.executable, "-m", "ops", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=process_environment(environment) | {"TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def no_process_left(pids: list[int]) -> bool:
    """Return whether none of these processes is running; a zombie is not."""
    return not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
