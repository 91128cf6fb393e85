"""What stands still without an error: a process that hangs, a clock that was set back. It is found, and restarted."""

import signal
from pathlib import Path

import psutil
import pytest

from settings import Settings
from tests.faults.clock import Clock
from tests.pipeline import check_all, ops_run, progressed, running
from tests.support import produce, wait_until
from tests.traffic import Sent, Truth, traffic

HANG_TIMEOUT_S = 5
HALF = 10_000


@pytest.fixture
def sent() -> list[Sent]:
    return traffic(2 * HALF, seed=31)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """A clock of the test's own."""
    return Clock(tmp_path)


def send(settings: Settings, messages: list[Sent]) -> None:
    produce(settings, [(message.partition, message.value) for message in messages])


def workers(runner: psutil.Process) -> list[psutil.Process]:
    return wait_until(lambda: found if len(found := runner.children()) == 2 else None, deadline_s=20, what="workers")


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGINT])
@pytest.mark.parametrize("index", [0, 1])
def test_one_process_that_hangs_is_found(
    number: signal.Signals,
    index: int,
    settings: Settings,
    environment: dict[str, str],
    tmp_path: Path,
    sent: list[Sent],
) -> None:
    """Stopped, or ended alone, so that it waits for its peers for ever: all are restarted, and count on."""
    with ops_run(environment | {"HANG_TIMEOUT_S": str(HANG_TIMEOUT_S)}, tmp_path) as runner:
        send(settings, sent[:HALF])
        wait_until(lambda: progressed(settings) == HALF, deadline_s=60, what="the first half is counted")
        first = workers(runner)
        by_address = sorted(first, key=lambda worker: worker.cmdline()[worker.cmdline().index("-i") + 1])
        by_address[index].send_signal(number)
        send(settings, sent[HALF:])
        wait_until(lambda: progressed(settings) == 2 * HALF, deadline_s=60, what="the second half is counted")
        assert not {worker.pid for worker in first} & {worker.pid for worker in workers(runner)}
    assert f"process {index + 1} of 2 hangs: its work has stood still for {HANG_TIMEOUT_S} s" in log_of(tmp_path)
    check_all(settings, Truth(sent))


def test_a_clock_set_back_by_an_hour_ends_the_process(
    settings: Settings, environment: dict[str, str], tmp_path: Path, clock: Clock
) -> None:
    """One message that names the jump, within 10 s or so; without it Bytewax would stand still for an hour."""
    with running(environment | clock.environment, tmp_path) as dataflow:
        send(settings, traffic(1000, seed=32))
        wait_until(lambda: progressed(settings) == 1000, deadline_s=60, what="1000 are counted")
        clock.set(-3600)
        assert dataflow.wait(40) == [70]
        assert "the system clock was set back by 3600 s" in dataflow.output()


def test_a_clock_set_back_is_survived_under_ops_run(
    settings: Settings, environment: dict[str, str], tmp_path: Path, sent: list[Sent], clock: Clock
) -> None:
    """Both processes are restarted with the new time; forwards it needs no restart."""
    with ops_run(environment | clock.environment, tmp_path) as runner:
        send(settings, sent[:HALF])
        wait_until(lambda: progressed(settings) == HALF, deadline_s=60, what="the first half is counted")
        first = workers(runner)
        clock.set(-3600)
        send(settings, sent[HALF : HALF + 5000])
        wait_until(lambda: progressed(settings) == HALF + 5000, deadline_s=60, what="more is counted")
        second = workers(runner)
        assert not {worker.pid for worker in first} & {worker.pid for worker in second}
        clock.set(7200)
        send(settings, sent[HALF + 5000 :])
        wait_until(lambda: progressed(settings) == 2 * HALF, deadline_s=60, what="the rest is counted")
        assert {worker.pid for worker in second} == {worker.pid for worker in workers(runner)}
    assert "the system clock was set back by 3600 s" in log_of(tmp_path)
    check_all(settings, Truth(sent))


def log_of(folder: Path) -> str:
    return (folder / "run.log").read_text(encoding="utf-8", errors="replace")
