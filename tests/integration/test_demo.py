"""The demo, as `make demo` runs it: visits flow, boards fill, and the end is orderly."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from ops.servers import ROOT
from settings import Settings
from tests.pipeline import no_process_left
from tests.support import process_environment, query, wait_until

VISITS = "SELECT COALESCE(SUM(visits), 0) FROM progress"


def _page_counts(host: str, port: int) -> int:
    with closing(HTTPConnection(host, port, timeout=10)) as connection:
        connection.request("GET", "/api/v1/status")
        return int(json.loads(connection.getresponse().read())["visits"])


@pytest.fixture
def demo(settings: Settings, environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the demo on the test's own topics and database, and wait until visits have been counted."""
    command = [sys.executable, "-m", "ops", "demo", "--rate", "200", "--directory", str(tmp_path)]
    output_file = tmp_path / "output"
    with output_file.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=process_environment(environment), stdout=output, stderr=output
        )
    try:
        wait_until(lambda: query(settings, VISITS)[0][0] >= 500, deadline_s=120, what="500 visits are counted")
        wait_until(lambda: b"SHOPPING_CART" in output_file.read_bytes(), deadline_s=90, what="the board shows them")
        yield process
    finally:
        process.kill()  # its programs end with it
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_demo_with_pass_and_leaves_no_process(
    demo: subprocess.Popen[bytes], settings: Settings, tmp_path: Path, number: signal.Signals
) -> None:
    """The simulator ends first, every visit is counted, verify comes last."""
    children = psutil.Process(demo.pid).children(recursive=True)
    address = re.search(r"page is at http://([\d.]+):(\d+)/", (tmp_path / "output").read_text())
    assert address
    host, port = address[1], int(address[2])
    wait_until(lambda: _page_counts(host, port) >= 500, deadline_s=90, what="the page shows 500 visits")
    demo.send_signal(number)
    assert demo.wait(120) == 0
    output = (tmp_path / "output").read_text()
    assert "PASS" in output
    assert "sent by the demo's simulator: " in output
    assert "not all messages" not in output
    assert "SHOPPING_CART" in output
    assert f"{query(settings, VISITS)[0][0]} visits" in output
    assert no_process_left([child.pid for child in children])


def test_a_program_that_ends_ends_the_demo_with_one_message(demo: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """It names the program and its log; no process is left."""
    children = psutil.Process(demo.pid).children(recursive=True)
    simulator = next(child for child in children if "simulate" in child.cmdline())
    simulator.kill()
    assert demo.wait(120) == 70
    last = (tmp_path / "output").read_text().splitlines()[-1]
    assert last == f"the simulator ended with code -9; see {tmp_path / 'demo' / 'simulator.log'}"
    assert no_process_left([child.pid for child in children])
