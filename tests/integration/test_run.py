"""`python -m ops run`: what it starts again, and what it gives up."""

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

# The pace of `ops run`, but for fewer attempts and shorter pauses between them.
PROGRAM = """
import sys
from ops import run, supervisor
pace = supervisor.Pace(first_delay_s=0.01, longest_delay_s=0.02, attempts=2)
sys.exit(supervisor.supervise(lambda: run._cluster(1, 1), pace=pace))
"""


def test_a_second_copy_is_given_up(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Each attempt waits for the lock of the first copy, and still counts as an end at once."""
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
        said = second.stdout + second.stderr
        assert second.returncode == 75, said
        assert said.count("is owned by another dataflow: connection") == 2
        assert "gives up: ended 2 times in a row soon after its start" in said
        produce(settings, [(0, visit_bytes())])
        wait_until(lambda: progressed(settings) == 2, deadline_s=60, what="the first copy goes on")
        assert first.alive()
