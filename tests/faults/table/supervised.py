"""The dataflow as its users keep it running, `python -m ops run`: what a scenario starts, stops and kills."""

import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from ops.servers import ROOT
from tests.pipeline import no_process_left
from tests.support import process_environment, wait_until

_END_S = 10
_RESTART = "all processes start again"
OWNED = "owned from"


class Supervised:
    """`ops run`, its processes, and what they have written; it can be started again, with another number of them."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = process_environment(environment)
        self._log = log
        self._runner: subprocess.Popen[bytes] | None = None
        self.processes = 0
        self._began = 0

    @property
    def runner(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._runner is not None, "it was not started"
        return self._runner

    @property
    def workers(self) -> list[psutil.Process]:
        """The dataflow's processes that are running now."""
        self.check_runs()
        return psutil.Process(self.runner.pid).children()

    def check_runs(self) -> None:
        """Fail if the supervisor has given up."""
        assert self.runner.poll() is None, f"ops run has ended with {self.runner.returncode}: {self.log()[-2000:]}"

    def log(self, since: int = 0) -> str:
        """Return what has been written, from a position on."""
        return self._log.read_text(encoding="utf-8", errors="replace")[since:] if self._log.exists() else ""

    def owns(self, partitions: int) -> bool:
        """Return whether the present processes own so many partitions: they have done with starting."""
        present = self.log(self._began).rpartition(_RESTART)[2]
        return present.count(OWNED) >= partitions

    def wait_for_log(self, text: str, *, times: int = 1, since: int = 0, deadline_s: float = 60) -> None:
        """Wait until a text has been written, so many times."""
        wait_until(
            lambda: self.log(since).count(text) >= times,
            deadline_s=deadline_s,
            what=lambda: f"{text!r} in the log, which ends with {self.log()[-1500:]}",
        )

    def start(self, processes: int = 2) -> None:
        """Start it."""
        self.processes = processes
        self._began = len(self.log())
        with self._log.open("ab") as stream:
            self._runner = subprocess.Popen(
                [sys.executable, "-m", "ops", "run", "-p", str(processes)],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    def stop(self, *, signals: int = 1) -> None:
        """End it by SIGTERM, or by several: its exit code is 0, and no process is left."""
        workers = [worker.pid for worker in self.workers]
        for _ in range(signals):
            self.runner.terminate()
        code = self.runner.wait(_END_S)
        assert code == 0, f"ended with {code}: {self.log()[-2000:]}"
        wait_until(lambda: no_process_left(workers), deadline_s=_END_S, what="the end of every process")

    def kill(self) -> None:
        """Kill -9 of the supervisor, with which Linux ends its processes."""
        workers = [worker.pid for worker in self.workers]
        self.runner.kill()
        self.runner.wait(30)
        wait_until(lambda: no_process_left(workers), deadline_s=30, what="the end of every process")

    def close(self) -> None:
        """Kill what is left."""
        if self._runner is not None:
            self._runner.kill()
            self._runner.wait(30)

    def wait_until_replaced(self, before: Collection[psutil.Process]) -> None:
        """Wait until other processes run in place of these."""
        wait_until(
            lambda: len(self.workers) == self.processes and set(before).isdisjoint(self.workers),
            deadline_s=90,
            what=lambda: f"new processes; the log ends with {self.log()[-1500:]}",
        )

    def kill_one(self, worker: psutil.Process) -> bool:
        """Kill -9 of one process; return whether it was running."""
        with suppress(psutil.NoSuchProcess):
            worker.kill()
            return True
        return False
