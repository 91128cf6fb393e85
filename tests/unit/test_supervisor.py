"""A set of processes runs as one: small real processes, real signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ops.servers.software import ROOT
from ops.supervisor import RestartPolicy, supervise, verdict
from process.errors import ExitCode
from tests.support import wait_until

QUICK = RestartPolicy(first_backoff_s=0.01, longest_backoff_s=0.02, min_uptime_s=30.0, attempts=3)
FOREVER = "import time; time.sleep(600)"
UNRESPONSIVE = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)

BEATS = "import os, time; from process.heartbeat import Heartbeat; heartbeat = Heartbeat(); heartbeat.start();"


class Starts:
    """The commands of a set, and the number of times they were started."""

    def __init__(self, *generations: list[str]) -> None:
        self.count = 0
        self._generations = generations

    def __call__(self) -> list[list[str]]:
        codes = self._generations[min(self.count, len(self._generations) - 1)]
        self.count += 1
        return [[sys.executable, "-c", code] for code in codes]


def _exit(code: int) -> str:
    return f"raise SystemExit({code})"


def _children() -> list[psutil.Process]:
    return psutil.Process().children()


def test_it_ends_when_all_end_with_0() -> None:
    """The end of the input is no failure, though one process sees it before the other."""
    starts = Starts([_exit(0), "import time; time.sleep(0.3)"])
    assert (supervise(starts, policy=QUICK), starts.count) == (0, 1)


@pytest.mark.parametrize("end", [_exit(70), _exit(5), "import os; os.kill(os.getpid(), 9)"])
def test_all_start_again_when_one_ends(end: str) -> None:
    """When a process aborts, fails or is killed, the others are ended and all of them are restarted."""
    before = _children()
    starts = Starts([end, FOREVER], [_exit(0), _exit(0)])
    assert (supervise(starts, policy=QUICK), starts.count) == (0, 2)
    assert _children() == before


@pytest.mark.parametrize(
    "hang",
    [
        "time.sleep(1); os.kill(os.getpid(), 19); time.sleep(600)",  # SIGSTOP, which only SIGKILL ends
        "time.sleep(1); heartbeat.begin(7); time.sleep(600)",  # a worker that does not move
    ],
)
def test_all_start_again_when_one_hangs(hang: str, caplog: pytest.LogCaptureFixture) -> None:
    """Found by its heartbeat, named, killed; the one that beats is ended too."""
    before = _children()
    starts = Starts([BEATS + "time.sleep(600)", BEATS + hang], [_exit(0), _exit(0)])
    assert (supervise(starts, policy=QUICK, hang_timeout_s=3), starts.count) == (0, 2)
    assert caplog.messages[0] == "process 2 of 2 hangs: its work has stood still for 3 s"
    assert _children() == before


def test_a_process_that_never_beat_is_still_starting() -> None:
    """It may wait for other hosts for any time."""
    starts = Starts([BEATS + "time.sleep(4)", "import time; time.sleep(4)"])
    assert (supervise(starts, policy=QUICK, hang_timeout_s=2), starts.count) == (0, 1)


def test_a_supervisor_that_was_stopped_itself_blames_nobody(tmp_path: Path) -> None:
    """Stopped together with its process, as by a frozen container, it expects the next beats from then on."""
    code = BEATS + "print('up', os.getpid(), flush=True); time.sleep(600)"
    program = (
        "import sys; from ops.supervisor import supervise;"
        f"sys.exit(supervise(lambda: [[sys.executable, '-c', {code!r}]], hang_timeout_s=6))"
    )
    with (tmp_path / "output").open("wb") as log:
        supervisor = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=log, stderr=log)
    wait_until((tmp_path / "output").read_text, deadline_s=20, what="the process is up")
    (child,) = psutil.Process(supervisor.pid).children()
    both = [psutil.Process(supervisor.pid), child]
    began = time.monotonic()
    for process in both:
        process.suspend()
    wait_until(lambda: time.monotonic() - began > 8, deadline_s=20, what="longer than the time-out")
    for process in both:
        process.resume()
    resumed = time.monotonic()
    wait_until(lambda: time.monotonic() - resumed > 3 or not child.is_running(), deadline_s=20, what="a few beats")
    assert child.is_running()
    supervisor.terminate()
    assert supervisor.wait(10) == 0
    assert "hangs" not in (tmp_path / "output").read_text()


@pytest.mark.parametrize("code", [ExitCode.CONFIG, ExitCode.DATA])
def test_what_no_restart_helps_ends_at_once(code: ExitCode) -> None:
    """Retrying does not correct a wrong setting."""
    starts = Starts([FOREVER, _exit(code)])
    assert (supervise(starts, policy=QUICK), starts.count) == (code, 1)


@pytest.mark.parametrize(("code", "expected"), [(69, 69), (75, 75), (5, ExitCode.ABORTED)])
def test_it_gives_up_when_it_keeps_ending_at_once(code: int, expected: int, caplog: pytest.LogCaptureFixture) -> None:
    """After so many ends in a row, one clear message and the last code."""
    starts = Starts([_exit(code)])
    assert (supervise(starts, policy=QUICK), starts.count) == (expected, 3)
    assert caplog.messages[-1] == "gives up: ended 3 times in a row soon after its start"


def test_a_long_run_resets_the_count_of_failures() -> None:
    """Failures are counted only while they come in a row."""
    policy = QUICK._replace(min_uptime_s=10.0)
    long_run = "import time; time.sleep(10.5); raise SystemExit(70)"
    starts = Starts([_exit(70)], [_exit(70)], [long_run], [_exit(70)], [_exit(0)])
    assert (supervise(starts, policy=policy), starts.count) == (0, 5)


def test_a_process_that_is_killed_repeatedly_is_always_restarted() -> None:
    """kill -9 comes from outside: it never counts as a failure."""
    killed = "import os; os.kill(os.getpid(), 9)"
    starts = Starts(*[[killed]] * 7, [_exit(0)])
    assert (supervise(starts, policy=QUICK), starts.count) == (0, 8)


@pytest.mark.parametrize(
    ("uptime_s", "codes", "resets"),
    [(9, [70], False), (11, [70], True), (11, [75], False), (11, [134, 69], False), (61, [75], True), (1, [-9], True)],
)
def test_the_minimum_uptime(uptime_s: float, codes: list[int], resets: bool) -> None:
    """Longer for a run that may have done nothing but wait for a lock or a server."""
    assert RestartPolicy().resets_failures(uptime_s, codes) is resets


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([134, 78], 78), ([134, 75], 75), ([69, 65], 65), ([0, -9], -9), ([0, 134, 1], 134)],
)
def test_the_most_informative_code_counts(codes: list[int], expected: int) -> None:
    """When one ends with a code of ours, the others fail because of it."""
    assert verdict(codes) == expected


def test_the_backoff_survives_an_outage_of_about_a_minute() -> None:
    """Half a second doubled up to ten, with jitter."""
    policy = RestartPolicy()
    delays_s = [policy.backoff_s(failures) for failures in range(1, policy.attempts)]
    doubled_s = [0.5, 1, 2, 4, 8, 10, 10, 10, 10]
    assert all(low <= delay <= low * 1.25 for low, delay in zip(doubled_s, delays_s, strict=True))
    assert sum(delays_s) >= 55


@pytest.fixture
def start_supervisor(tmp_path: Path) -> Callable[[str], subprocess.Popen[bytes]]:
    """Start a supervisor of two processes that run `code`, and wait until both are up."""

    def start(code: str) -> subprocess.Popen[bytes]:
        program = (
            "import sys; from ops.supervisor import supervise;"
            f"sys.exit(supervise(lambda: [[sys.executable, '-c', {code!r}]] * 2))"
        )
        output = tmp_path / "output"
        with output.open("wb") as log:
            process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=log)
        wait_until(lambda: output.read_text().count("up") == 2, deadline_s=20, what="both processes are up")
        return process

    return start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_within_five_seconds(
    start_supervisor: Callable[[str], subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    """Even processes that ignore SIGTERM."""
    supervisor = start_supervisor(UNRESPONSIVE)
    children = psutil.Process(supervisor.pid).children()
    began = time.monotonic()
    supervisor.send_signal(number)
    assert supervisor.wait(10) == 0
    assert time.monotonic() - began < 5
    assert not any(child.is_running() for child in children)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux signals a child when its parent dies")
def test_nothing_outlives_a_killed_supervisor(
    start_supervisor: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    """kill -9 of the supervisor is kill -9 of all."""
    supervisor = start_supervisor(UNRESPONSIVE)
    children = psutil.Process(supervisor.pid).children()
    assert len(children) == 2
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait(10)
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() for child in children)
