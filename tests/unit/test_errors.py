"""How a process ends: its one line, its code, whatever has become of its streams."""

import os
import subprocess
import sys
from typing import Any

import pytest

from ops.servers.software import ROOT
from process.errors import RESTART_HELPS, ExitCode, Fatal, raise_fatal

ENDS = """
from process import logs
from process.errors import ExitCode, Fatal, end_process
logs.set_up("text")
print("printed before")
end_process(Fatal("what, its value, and its cure", ExitCode.HELD))
"""

THREADS_END = """
import contextlib, logging, sys, threading
from process.errors import ExitCode, Fatal, end_process
together = threading.Barrier(2)

class Slow(logging.Handler):
    def createLock(self):
        self.lock = None

    def emit(self, record):
        print(record.getMessage(), file=sys.stderr, flush=True)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(1)  # for another thread that fails too

logging.basicConfig(handlers=[Slow()])
for worker in range(8):
    fatal = Fatal(f"worker {worker} found it", ExitCode.DATA)
    threading.Thread(target=end_process, args=(fatal,)).start()
"""


def ended(code: str, **streams: Any) -> "subprocess.CompletedProcess[str]":
    """Run Python code to its end."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env={}, text=True, check=False, timeout=60, **streams)


def test_one_line_and_the_code() -> None:
    """And what was printed before is not lost."""
    process = ended(ENDS)
    assert process.returncode == 75
    assert process.stdout == "printed before\n"
    assert process.stderr.count("\n") == 1
    assert process.stderr.endswith(" CRITICAL process.errors: what, its value, and its cure\n")


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_changes_no_code(closed: int) -> None:
    """Whoever started us has closed standard output or error."""
    command = ["/bin/sh", "-c", f'exec "$0" -c "$1" {closed}>&-', sys.executable, ENDS]
    process = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 75
    assert "Traceback" not in process.stderr
    assert ("its cure" in process.stderr) is (closed == 1)


def test_a_reader_that_has_gone_changes_no_code() -> None:
    """Standard output is a pipe into a program that has ended, as `| head` has."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        process = ended(ENDS, stdout=gone)
    assert process.returncode == 75
    assert process.stderr.count("\n") == 1


def test_of_several_workers_one_says_it() -> None:
    """All of them find the same, at once."""
    process = ended(THREADS_END)
    assert process.returncode == 65
    assert process.stderr.count(" found it\n") == process.stderr.count("\n") == 1


def test_in_a_test_it_is_raised() -> None:
    """With its line and its code."""
    with pytest.raises(Fatal, match=r"^the line$") as caught:
        raise_fatal(Fatal("the line", ExitCode.CONFIG))
    assert (caught.value.message, caught.value.code) == ("the line", 78)


def test_codes_after_which_a_restart_helps() -> None:
    """What stays wrong until a person has looked is not tried again."""
    assert sorted(RESTART_HELPS) == [69, 70, 75, 76]
    assert {int(code) for code in ExitCode} == {1, 3, 65, 69, 70, 75, 76, 78}
