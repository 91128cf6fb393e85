"""Show everything on this machine: servers, dataflow on two processes, simulator, and the leaderboard.

Ctrl-C, or the end of --seconds, ends it in order: the simulator first, then, when every visit has been counted,
the dataflow. Last, verify runs, and its exit code is the demo's. Servers that ran before keep running.

Examples:
    python -m ops demo
    python -m ops demo --seconds 30 --rate 2000
"""

import argparse
import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients import kafka
from ops import servers
from ops.installation import module_environment
from ops.provision import provision
from ops.servers.notes import private_folder
from ops.servers.processes import free_port
from ops.status import partition_states
from ops.stored import stored_variables, unset
from ops.supervisor import Process, end, started
from ops.up import add_directory, settings_of
from oracle import truth
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from process.signals import stop_signals
from settings import Settings

# What a database of a demo is provisioned with: a page that shows more, and no visit of another century.
_OWN = {"BOARDS": "action,country,country/action", "MAX_FUTURE": "1d"}
_POLL_S = 0.2
_CATCH_UP_S = 120.0
_DELIVERY_S = 30.0

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how long and how much."""
    add_directory(parser)
    parser.add_argument("--seconds", type=float, help="end after so many seconds (default: at Ctrl-C)")
    parser.add_argument("--rate", type=int, default=20, help="visits a second (default: 20)")


def main(arguments: argparse.Namespace) -> int:
    """Run the demo; return verify's exit code."""
    directory = arguments.directory.resolve()
    with stop_signals() as stop, _servers(directory) as addresses:
        stored = stored_variables(settings_of(addresses))
        environment = addresses | (unset(_OWN) if stored is None else stored)
        settings = settings_of(environment)
        provision(settings)
        demo = _Demo(directory / "demo", module_environment(os.environ | environment))
        try:
            demo.start(arguments.rate, settings)
            end_of_demo = Deadline(arguments.seconds or math.inf)
            while not stop.wait(_POLL_S) and not end_of_demo.passed:
                demo.check()
            demo.finish(settings)
        finally:
            demo.end()
        return demo.verify(settings)


@contextmanager
def _servers(directory: Path) -> Iterator[dict[str, str]]:
    """Start the servers that are not running, and stop only those in the end."""
    ran = {server.name for server in servers.Servers(directory, os.environ).ours() if server.pid() is not None}
    found = servers.start(directory, os.environ)
    try:
        yield found.environment()
    finally:
        for server in found.ours():
            if server.name not in ran:
                logger.info("stopping %s", server.name)
                server.stop()


class _Demo:
    """The programs of the demo; the board has the terminal, each of the others a log."""

    def __init__(self, logs: Path, environ: dict[str, str]) -> None:
        self._logs = logs
        self._environ = environ
        self._processes: dict[str, Process] = {}

    def start(self, rate: int, settings: Settings) -> None:
        private_folder(self._logs)
        logger.info("dataflow on 2 processes, %d visits a second; logs in %s", rate, self._logs)
        self._start("dataflow", ["ops", "run", "-p", "2"])
        difficult = ["--profile", "wave", "--late-share", "0.02", "--late-by", "30s", "--malformed-share", "0.01"]
        seed = len(self._truths())  # the truths of earlier demos are added to this one's, as their visits are
        recorded = ["--seed", str(seed), "--truth", str(self._logs / f"truth-{seed:04d}.json")]
        past = [] if seed else ["--history", "24h"]  # once: the database keeps it for later demos
        self._start("simulator", ["simulate", *past, "--rate", str(rate), *difficult, *recorded])
        self._environ["BOARD_PORT"] = str(free_port(settings.board_port))
        address = Settings.from_environment(self._environ).board_url
        logger.info("the leaderboard's page is at %s", address)
        board = [sys.executable, "-m", "leaderboard", "--terminal", "--page", address]
        self._processes["board"] = started(board, self._environ)
        self._start("page", ["leaderboard"])

    def check(self) -> None:
        """Check that all are still running.

        :raises Fatal: one of them ended.
        """
        for name, process in self._processes.items():
            if process.poll() is not None:
                log = "" if name == "board" else f"; see {self._logs / name}.log"
                raise Fatal(f"the {name} ended with code {process.returncode}{log}", ExitCode.ABORTED)

    def finish(self, settings: Settings) -> None:
        """Stop the simulator, and wait until all its visits are counted.

        :raises Fatal: the dataflow does not catch up.
        """
        simulator = self._processes.pop("simulator")
        simulator.send_signal(signal.SIGINT)
        try:
            simulator.wait(_DELIVERY_S)
        except subprocess.TimeoutExpired:
            end([simulator])
        deadline = Deadline(_CATCH_UP_S)
        while lag := sum(state.lag for state in partition_states(settings)):
            self.check()
            if deadline.passed:
                message = f"{lag} visits are still not counted after {_CATCH_UP_S:.0f} s; see {self._logs}"
                raise Fatal(message, ExitCode.ABORTED)
            time.sleep(_POLL_S)

    def end(self) -> None:
        """End what is still running."""
        end(list(self._processes.values()))

    def verify(self, settings: Settings) -> int:
        """Recount everything, and compare it with what the demos' simulators sent; return verify's exit code."""
        states = partition_states(settings)
        topic = kafka.describe(kafka.admin_client(settings), settings, [settings.visits_topic])[settings.visits_topic]
        truths = {path: truth.load(path) for path in self._truths()}
        ours = [path for path, loaded in truths.items() if topic and loaded.topic_id == topic.topic_id]
        sent = sum(sum(truths[path].messages.values()) for path in ours)
        counted, rejected = sum(state.visits for state in states), sum(state.rejected for state in states)
        print(f"sent by the demo's simulator: {sent}, counted: {counted} visits, rejected: {rejected} messages")
        command = [sys.executable, "-m", "ops", "verify"]
        if sent == counted + rejected:
            command += ["--truth", *map(str, ours)]
        else:
            print("not all messages of the log are a demo's: compared with the log, not with the simulator's truth")
        return subprocess.run(command, env=self._environ, check=False).returncode

    def _truths(self) -> list[Path]:
        return sorted(self._logs.glob("truth-*.json"))

    def _start(self, name: str, module: list[str]) -> None:
        with (self._logs / f"{name}.log").open("wb") as log:
            self._processes[name] = started([sys.executable, "-m", *module], self._environ, log)
