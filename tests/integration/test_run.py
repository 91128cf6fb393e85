"""`python -m ops run`: what it restarts, and when it gives up."""

import subprocess
import sys
import time
from pathlib import Path

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
