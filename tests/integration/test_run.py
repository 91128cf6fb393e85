"""`python -m ops run`: what it restarts, and when it gives up."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.servers import ROOT
from partition.position import LOCK_WAIT_S
from settings import Settings
from tests.pipeline import progressed, running
from tests.support import process_environment, produce, wait_until
from tests.unit.samples import visit_bytes

# The restart policy of `ops run`, with fewer attempts and shorter backoff.
PROGRAM = """
import sys
from ops import run, supervisor
policy = supervisor.RestartPolicy(first_backoff_s=0.01, longest_backoff_s=0.02, attempts=2)
sys.exit(supervisor.supervise(lambda: run._cluster(1, 1), policy=policy))
"""


def test_a_second_copy_is_given_up(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Each attempt waits for the lock of the first copy, and still counts as a failure."""
    with running(environment, tmp_path) as first:
        produce(settings, [(0, visit_bytes())])
        wait_until(lambda: progressed(settings) == 1, deadline_s=60, what="the first copy counts")
        began = time.monotonic()
        second = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env=process_environment(environment),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert time.monotonic() - began > 2 * LOCK_WAIT_S
        output = second.stdout + second.stderr
        assert second.returncode == 75, output
        assert output.count("is owned by another dataflow: connection") == 2
        assert "gives up: ended 2 times in a row soon after its start" in output
        produce(settings, [(0, visit_bytes())])
        wait_until(lambda: progressed(settings) == 2, deadline_s=60, what="the first copy continues")
        assert first.alive()


# Python imports it before anything else: real signals at moments that no other process could choose.
SITECUSTOMIZE = """
import atexit, os, signal, sys

def terminate(times):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGTERM)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} and sys.argv[1:2] == ["run"]:
            terminate({times})

sys.meta_path.insert(0, Finder())
atexit.register(terminate, {at_exit})
"""


@pytest.mark.parametrize("module", ["ops.run", "confluent_kafka", "ops.supervisor"])
@pytest.mark.parametrize(("times", "at_exit"), [(1, 0), (5, 0), (1, 5)])
def test_sigterm_ends_it_with_0_at_any_moment(tmp_path: Path, module: str, times: int, at_exit: int) -> None:
    """While it imports, before anything is started, and while the interpreter ends."""
    text = SITECUSTOMIZE.format(module=module, times=times, at_exit=at_exit)
    (tmp_path / "sitecustomize.py").write_text(text, encoding="utf-8")
    environ = process_environment({})
    done = subprocess.run(
        [sys.executable, "-m", "ops", "run", "-p", "2"],
        cwd=ROOT,
        env=environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_sigterm_again_and_again_ends_it_with_0(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Until it has ended, as often as another process can send it."""
    produce(settings, [(0, visit_bytes())])
    log = tmp_path / "log"
    with log.open("wb") as stream:
        runner = subprocess.Popen(
            [sys.executable, "-m", "ops", "run", "-p", "2"],
            cwd=ROOT,
            env=process_environment(environment),
            stdout=stream,
            stderr=stream,
        )
    try:
        wait_until(lambda: progressed(settings) == 1, deadline_s=60, what=log.read_text)
        sent, deadline = 0, time.monotonic() + 10
        while runner.poll() is None and time.monotonic() < deadline:
            runner.send_signal(signal.SIGTERM)
            sent += 1
        assert sent >= 5
        assert runner.wait(1) == 0, log.read_text()
    finally:
        runner.kill()
        runner.wait(30)
