"""A process beats only while each part of its work moves."""

import os
import subprocess
import sys

import pytest

import process.heartbeat
from ops.servers.software import ROOT
from process.heartbeat import VARIABLE, Heartbeat
from tests.support import wait_until


def test_every_part_must_move() -> None:
    """One worker that hangs is not hidden by the others, nor by what it did before."""
    heartbeat = Heartbeat()
    beats = [heartbeat.all_moved()]  # no part: nothing can hang
    heartbeat.begin(0)
    heartbeat.begin(1)
    for moved in ([0], [1], [], [0, 1, 1], [1, 1]):
        for part in moved:
            heartbeat.moved(part)
        beats.append(heartbeat.all_moved())
    assert beats == [True, False, True, False, True, False]


def test_a_finished_part_is_not_waited_for() -> None:
    """At the end of the input a process waits for the others, without work of its own."""
    heartbeat = Heartbeat()
    heartbeat.begin(0)
    heartbeat.begin(1)
    heartbeat.finish(0)
    heartbeat.moved(1)
    assert [heartbeat.all_moved(), heartbeat.all_moved()] == [True, False]
    heartbeat.finish(1)
    assert heartbeat.all_moved()


def test_beats_go_through_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte each, until a part does not move; children get neither the pipe nor its number."""
    monkeypatch.setattr(process.heartbeat, "INTERVAL_S", 0.01)
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    monkeypatch.setenv(VARIABLE, str(writer))
    heartbeat = Heartbeat()
    heartbeat.start()
    assert VARIABLE not in os.environ
    assert not os.get_inheritable(writer)
    wait_until(lambda: _read(reader), deadline_s=10, what="a beat")
    heartbeat.begin(0)
    wait_until(lambda: _read(reader) == b"", deadline_s=10, what="no beat any more")
    heartbeat.moved(0)
    assert wait_until(lambda: _read(reader), deadline_s=10, what="one beat") == b"."
    os.close(reader)  # the supervisor has ended: the thread ends too
    heartbeat.finish(0)


@pytest.mark.parametrize("value", ["", "none", "2", "99999"])
def test_nothing_is_written_without_a_supervisor(value: str) -> None:
    """The number may be left over from another process: only a pipe is written to."""
    program = "import time; from process.heartbeat import Heartbeat; Heartbeat().start(); time.sleep(0.2)"
    with open(os.devnull, "wb") as null:
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | {VARIABLE: value}, stderr=null, check=False)
    assert done.returncode == 0


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 4096)
    except BlockingIOError:
        return b""
