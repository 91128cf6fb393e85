"""What a process used: its CPU seconds include those of its children."""

import os
import sys
from pathlib import Path

import pytest

from bench.process import run_module, run_program, started
from process.errors import ExitCode, Fatal
from tests.support import wait_until

BUSY_S = 0.3
BUSY_CHILD = f"""
import sys, time
while time.process_time() < {BUSY_S}:
    pass
print("done", flush=True)
sys.stdin.read()
"""
IDLE_PARENT = """
import subprocess, sys
with subprocess.Popen([sys.executable, "-m", "busy_child"], stdin=subprocess.PIPE) as child:
    if sys.argv[1:]:
        child.wait()
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a process that finds the test's modules."""
    (tmp_path / "busy_child.py").write_text(BUSY_CHILD, encoding="utf-8")
    (tmp_path / "idle_parent.py").write_text(IDLE_PARENT, encoding="utf-8")
    (tmp_path / "failing.py").write_text("raise SystemExit('first\\nlast')", encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_cpu_seconds_include_those_of_children_that_have_ended(environ: dict[str, str]) -> None:
    """As the dataflow's under `ops run`, which itself uses next to nothing."""
    usage, output = run_module(["idle_parent"], environ)
    assert output == b"done\n"
    assert usage.cpu_s >= BUSY_S
    assert usage.peak_mib > 0


def test_cpu_seconds_so_far_include_those_of_children_that_run(environ: dict[str, str]) -> None:
    """The child ends with its parent: the pipe between them closes."""
    with started(["idle_parent", "and_wait"], environ) as module:
        wait_until(lambda: module.output == b"done\n", deadline_s=60, what="the child was busy")
        assert module.cpu_s >= BUSY_S - 0.02  # user and system time are each truncated to 10 ms
        module.end()


def test_a_process_that_ends_badly_is_one_error_message(environ: dict[str, str]) -> None:
    """With its exit code and the last line of its log."""
    with pytest.raises(Fatal) as raised:
        run_module(["failing"], environ)
    assert (raised.value.message, raised.value.code) == ("failing ended with 1: last", ExitCode.ABORTED)


def test_another_program_is_measured_and_refused_in_the_same_way(environ: dict[str, str]) -> None:
    """By the name of its case, whatever its command is."""
    usage, output = run_program("peer", [sys.executable, "-c", "print('done')"], environ)
    assert output == b"done\n"
    assert min(usage.seconds, usage.cpu_s, usage.peak_mib) > 0
    with pytest.raises(Fatal) as raised:
        run_program("peer", [sys.executable, "-c", "raise SystemExit('failed: no topic')"], environ)
    assert (raised.value.message, raised.value.code) == ("peer ended with 1: failed: no topic", ExitCode.ABORTED)


def test_a_process_that_was_to_run_on_has_not_ended(environ: dict[str, str]) -> None:
    """What is measured must still be there in the end."""
    with started(["failing"], environ) as module, pytest.raises(Fatal) as raised:
        wait_until(module.check, deadline_s=60, what="its end is noticed")
    assert raised.value.message == "failing ended with 1: last"
