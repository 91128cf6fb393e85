"""The README's commands, as they are written there, in a checkout of their own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.servers import ROOT
from ops.servers.processes import free_port
from settings import Settings
from tests.pipeline import progressed
from tests.readme import blocks
from tests.support import is_served, process_environment, wait_until

MAKE = shutil.which("make") or "make"
PREPARE = ("make setup", ". .venv/bin/activate", 'eval "$(python -m ops up)"')
DATAFLOW = "python -m bytewax.run dataflow:flow -w 4"
SIMULATOR = "python -m simulate"
RUN = "python -m ops run -p 4"
ON_HOSTS = tuple(f'python -m ops run --process {process} --addresses "host-a:2101;host-b:2101"' for process in range(2))
CONTAINERS = ("docker compose up --build", "docker compose --profile load up --build")
INSTALLED = ("pip install .", "website-analytics ops provision", "website-analytics run -p 2")
AT_ONCE = (
    "python -m leaderboard --terminal",
    "python -m ops status",
    "python -m ops verify",
    "pytest",
    "python -m ops down",
    "python -m ops provision",
)


def commands() -> list[str]:
    """Return every line of the README's shell blocks."""
    return [line for block in blocks("sh") for line in block.splitlines()]


class Checkout:
    """A copy of the project with the installed .venv, and a shell in which the README's first commands have run."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        hidden = shutil.ignore_patterns(".venv", ".local", ".git", ".*_cache", ".hypothesis", "__pycache__")
        shutil.copytree(ROOT, folder, ignore=hidden)
        (folder / ".venv").symlink_to(sys.prefix)
        outside = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
        show = "python -c 'import json, os; print(json.dumps(dict(os.environ)))'"
        shown = self._shell("\n".join([*PREPARE[1:], show]), outside)
        self.environment: dict[str, str] = json.loads(shown.stdout)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; fail if it does not end with 0."""
        return self._shell(command, self.environment)

    @contextmanager
    def running(self, command: str, number: signal.Signals = signal.SIGINT) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command for as long as this lasts, then end it as a user does."""
        log = self.folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield process
            assert process.poll() is None, log.read_text()
            process.send_signal(number)
            process.wait(30)
        finally:
            process.kill()
            process.wait()

    def _shell(self, script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["/bin/sh", "-ec", script],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
        return done


@pytest.fixture
def checkout(environment: dict[str, str], tmp_path: Path) -> Checkout:
    """A checkout with servers in its environment, and nothing provisioned."""
    port = {"BOARD_PORT": str(free_port())}
    return Checkout(tmp_path / "checkout", process_environment(environment | port))


def counted(checkout: Checkout, more: int = 1000) -> None:
    """Send visits until so many more have been counted, then wait until all have been."""
    settings = Settings.from_environment(checkout.environment)
    goal = progressed(settings) + more
    with checkout.running(SIMULATOR) as simulator:
        wait_until(lambda: progressed(settings) >= goal, deadline_s=120, what=f"{goal} messages counted")
    assert simulator.returncode == 0
    wait_until(lambda: "PASS" in checkout.run("python -m ops verify").stdout, deadline_s=90, what="PASS")


def test_each_command_is_known_here() -> None:
    """Tests run every command of the README, except those of containers, which compose.yaml itself lists.

    Those of the wheel are run by tests/integration/test_wheel.py.
    """
    here = {"make demo", "make test", *PREPARE, DATAFLOW, SIMULATOR, RUN, *ON_HOSTS, *AT_ONCE}
    known = here | {*INSTALLED, *CONTAINERS}
    assert set(commands()) == known
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert [command for command in CONTAINERS if f"  {command} " not in compose] == []


def test_the_commands_by_hand(checkout: Checkout) -> None:
    """Servers, dataflow, simulator, board, status, verify: in the order of the README."""
    with checkout.running(DATAFLOW):
        counted(checkout)
        assert "SHOPPING_CART" in checkout.run("python -m leaderboard --terminal --once").stdout
        with checkout.running("python -m leaderboard"):
            port = checkout.environment["BOARD_PORT"]
            wait_until(lambda: is_served(port), deadline_s=90, what=f"the page on port {port}")
        assert "lag" in checkout.run("python -m ops status").stdout
        checkout.run("python -m ops provision")
    assert " passed" in checkout.run("pytest tests/unit/test_lines.py").stdout
    checkout.run("python -m ops down")


def test_several_processes_and_several_hosts(checkout: Checkout) -> None:
    """The hosts are this one, twice; SIGTERM ends each with 0."""
    with checkout.running(RUN, signal.SIGTERM) as one_host:
        counted(checkout)
    assert one_host.returncode == 0
    ports = {name: f"127.0.0.1:{free_port()}" for name in ("host-a:2101", "host-b:2101")}
    first, second = (re.sub("|".join(ports), lambda name: ports[name[0]], command) for command in ON_HOSTS)
    with checkout.running(first, signal.SIGTERM) as a, checkout.running(second, signal.SIGTERM) as b:
        counted(checkout)
    assert (a.returncode, b.returncode) == (0, 0)


def test_the_targets_of_make(checkout: Checkout) -> None:
    """They are what other tests run: `make demo` is tests/integration/test_demo.py, `make test` runs this one."""

    # make passes its own variables on, and it may be make that runs this test: make test ARGS="-k name"
    passed_on = {"MAKEFLAGS", "MAKEOVERRIDES", "ARGS", "DEMO_SECONDS"}
    environ = {name: value for name, value in os.environ.items() if name not in passed_on}

    def would_run(target: str, **variables: str) -> str:
        done = subprocess.run(
            [MAKE, "--no-print-directory", "--dry-run", target],
            cwd=checkout.folder,
            env={**environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip().splitlines()[-1].strip()

    assert would_run("demo") == ".venv/bin/python -m ops demo"
    assert would_run("demo", DEMO_SECONDS="30") == ".venv/bin/python -m ops demo --seconds 30"
    assert would_run("test") == ".venv/bin/python -m pytest --numprocesses 3 --dist loadfile --cov"
    would_run("setup")
