"""A set of processes runs as one: real small processes, real signals."""

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
from ops.supervisor import Pace, supervise, verdict
from process.errors import ExitCode
from tests.support import wait_until

QUICK = Pace(first_delay_s=0.01, longest_delay_s=0.02, lived_s=30.0, attempts=3)
FOREVER = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


class Starts:
    """The commands of a set, and how often they were asked for."""

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


def test_it_ends_when_all_end_well() -> None:
    """The end of the input is no failure, though one process sees it before the other."""
    starts = Starts([_exit(0), "import time; time.sleep(0.3)"])
    assert (supervise(starts, pace=QUICK), starts.count) == (0, 1)


@pytest.mark.parametrize("end", [_exit(70), _exit(5), "import os; os.kill(os.getpid(), 9)"])
def test_all_start_again_when_one_ends(end: str) -> None:
    """An aborted, unknown or killed process takes the others with it, and all of them come back."""
    before = _children()
    starts = Starts([end, FOREVER], [_exit(0), _exit(0)])
    assert (supervise(starts, pace=QUICK), starts.count) == (0, 2)
    assert _children() == before


@pytest.mark.parametrize("code", [ExitCode.CONFIG, ExitCode.DATA])
def test_what_no_restart_helps_ends_at_once(code: ExitCode) -> None:
    """A wrong setting does not get right by trying again."""
    starts = Starts([FOREVER, _exit(code)])
    assert (supervise(starts, pace=QUICK), starts.count) == (code, 1)


@pytest.mark.parametrize(("code", "expected"), [(69, 69), (75, 75), (5, ExitCode.ABORTED)])
def test_it_gives_up_when_it_keeps_ending_at_once(code: int, expected: int, caplog: pytest.LogCaptureFixture) -> None:
    """After so many ends in a row, one clear line and the last code."""
    starts = Starts([_exit(code)])
    assert (supervise(starts, pace=QUICK), starts.count) == (expected, 3)
    assert caplog.messages[-1] == "gives up: ended 3 times in a row soon after its start"


def test_who_lived_long_enough_begins_to_count_anew() -> None:
    """Failures are counted only while they come in a row."""
    pace = QUICK._replace(lived_s=10.0)
    lived = "import time; time.sleep(10.5); raise SystemExit(70)"
    starts = Starts([_exit(70)], [_exit(70)], [lived], [_exit(70)], [_exit(0)])
    assert (supervise(starts, pace=pace), starts.count) == (0, 5)


def test_who_is_killed_again_and_again_is_started_again() -> None:
    """kill -9 comes from outside: it never counts as ending at once."""
    killed = "import os; os.kill(os.getpid(), 9)"
    starts = Starts(*[[killed]] * 7, [_exit(0)])
    assert (supervise(starts, pace=QUICK), starts.count) == (0, 8)


@pytest.mark.parametrize(
    ("lasted_s", "codes", "lived"),
    [(9, [70], False), (11, [70], True), (11, [75], False), (11, [134, 69], False), (61, [75], True), (1, [-9], True)],
)
def test_how_long_it_must_have_lived(lasted_s: float, codes: list[int], lived: bool) -> None:
    """Longer where it may have done nothing but wait for a lock or a server."""
    assert Pace().has_lived(lasted_s, codes) is lived


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([134, 78], 78), ([134, 75], 75), ([69, 65], 65), ([0, -9], -9), ([0, 134, 1], 134)],
)
def test_the_code_that_says_most_counts(codes: list[int], expected: int) -> None:
    """When one ends by its own will, the others fall over it."""
    assert verdict(codes) == expected


def test_the_pace_outlives_an_outage_of_about_a_minute() -> None:
    """Half a second doubled up to ten, never twice the same."""
    pace = Pace()
    delays_s = [pace.delay_s(failures) for failures in range(1, pace.attempts)]
    doubled_s = [0.5, 1, 2, 4, 8, 10, 10, 10, 10]
    assert all(low <= delay <= low * 1.25 for low, delay in zip(doubled_s, delays_s, strict=True))
    assert sum(delays_s) >= 55


@pytest.fixture
def start_supervisor(tmp_path: Path) -> "Callable[[str], subprocess.Popen[bytes]]":
    """Start a supervisor of two processes that run `code`, and wait until both are up."""

    def start(code: str) -> "subprocess.Popen[bytes]":
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
    start_supervisor: "Callable[[str], subprocess.Popen[bytes]]", number: signal.Signals
) -> None:
    """Even processes that do not listen."""
    supervisor = start_supervisor(DEAF)
    children = psutil.Process(supervisor.pid).children()
    began = time.monotonic()
    supervisor.send_signal(number)
    assert supervisor.wait(10) == 0
    assert time.monotonic() - began < 5
    assert not any(child.is_running() for child in children)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child of its parent's death")
def test_nothing_outlives_a_killed_supervisor(
    start_supervisor: "Callable[[str], subprocess.Popen[bytes]]",
) -> None:
    """kill -9 of the supervisor is kill -9 of all."""
    supervisor = start_supervisor(DEAF)
    children = psutil.Process(supervisor.pid).children()
    assert len(children) == 2
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait(10)
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() for child in children)
