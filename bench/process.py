"""A fresh process per case: its time by a monotonic clock, its CPU time and memory by the kernel's account."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from resource import struct_rusage
from tempfile import TemporaryFile
from typing import IO, NamedTuple

import psutil

from process.deadline import Deadline
from process.errors import ExitCode, Fatal

ROOT = Path(__file__).resolve().parent.parent

_END_S = 10.0
_POLL_S = 0.01


class Usage(NamedTuple):
    """What a process used, from its start to its exit.

    CPU seconds are those of all of its threads and of all processes that it waited for; memory is that of the
    largest of these processes.
    """

    seconds: float
    cpu_s: float
    peak_mib: float


class Module:
    """A running `python -m ...`, or another program, whose standard output and log are kept."""

    def __init__(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], output: IO[bytes], log: IO[bytes]
    ) -> None:
        self._name = name
        self._output = output
        self._log = log
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
        )

    @property
    def output(self) -> bytes:
        """What it has written to standard output."""
        return _read(self._output)

    @property
    def log(self) -> str:
        """What it has written to standard error."""
        return _read(self._log).decode(errors="replace").strip()

    @property
    def last_message(self) -> str:
        """The last line of its log."""
        return self.log.rpartition("\n")[2] or "no output"

    @property
    def cpu_s(self) -> float:
        """CPU seconds so far, of the process and of its descendants that run, in the kernel's steps of 10 ms.

        :raises Fatal: it has ended.
        """
        self.check()
        root = psutil.Process(self._process.pid)
        times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
        return float(sum(each.user + each.system for each in times))

    def check(self) -> None:
        """Check that it runs.

        :raises Fatal: it has ended.
        """
        if self._process.poll() is not None:
            self._refuse()

    def wait(self) -> Usage:
        """Wait for its end.

        :raises Fatal: it ended badly; the message shows the end of its log.
        """
        usage = self._reaped(os.wait4(self._process.pid, 0))
        if self._process.returncode:
            self._refuse()
        return usage

    def end(self) -> Usage:
        """Terminate it, and kill it if it has not ended after 10 s; its exit code does not matter.

        :raises Fatal: it had ended before.
        """
        self.check()
        return self._terminated()

    def close(self) -> None:
        """Terminate it if it still runs."""
        if self._process.poll() is None:
            self._terminated()

    def _terminated(self) -> Usage:
        self._process.terminate()
        deadline = Deadline(_END_S)
        while not (waited := os.wait4(self._process.pid, os.WNOHANG))[0]:
            if deadline.passed:
                self._process.kill()
            time.sleep(_POLL_S)
        return self._reaped(waited)

    def _reaped(self, waited: tuple[int, int, struct_rusage]) -> Usage:
        seconds = time.monotonic() - self._began
        _, status, resources = waited
        self._process.returncode = os.waitstatus_to_exitcode(status)
        per_mib = 1024 * 1024 if sys.platform == "darwin" else 1024  # Linux counts KiB, macOS bytes
        return Usage(seconds, resources.ru_utime + resources.ru_stime, resources.ru_maxrss / per_mib)

    def _refuse(self) -> None:
        message = f"{self._name} ended with {self._process.returncode}: {self.last_message}"
        raise Fatal(message, ExitCode.ABORTED)


@contextmanager
def started(arguments: Sequence[str], environ: Mapping[str, str]) -> Iterator[Module]:
    """Start `python -m ...` in the project's folder; it does not outlive the context."""
    with started_program(" ".join(arguments), [sys.executable, "-m", *arguments], environ) as module:
        yield module


@contextmanager
def started_program(name: str, command: Sequence[str], environ: Mapping[str, str]) -> Iterator[Module]:
    """Start any program in the project's folder; it does not outlive the context."""
    with TemporaryFile() as output, TemporaryFile() as log:
        module = Module(name, command, environ, output, log)
        try:
            yield module
        finally:
            module.close()


def run_module(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[Usage, bytes]:
    """Run `python -m ...` to its end; return what it used and its standard output.

    :raises Fatal: it ended badly; the message shows the end of its log.
    """
    with started(arguments, environ) as module:
        return module.wait(), module.output


def run_program(name: str, command: Sequence[str], environ: Mapping[str, str]) -> tuple[Usage, bytes]:
    """Run any program to its end, as `run_module` does; `name` stands for it in the error message.

    :raises Fatal: it ended badly; the message shows the end of its log.
    """
    with started_program(name, command, environ) as module:
        return module.wait(), module.output


def _read(file: IO[bytes]) -> bytes:
    # Not by seek: the process shares the file's position, and writes there.
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
