"""A fresh process per case: its time by a monotonic clock, its CPU time and memory by the kernel's account."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from process.errors import ExitCode, Fatal

ROOT = Path(__file__).resolve().parent.parent


class Usage(NamedTuple):
    """What a process took, from its start to its exit; CPU seconds are those of all of its threads."""

    seconds: float
    cpu_s: float
    peak_mib: float


def run_module(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[Usage, bytes]:
    """Run `python -m ...` in the project's folder; return what it took and its standard output.

    :raises Fatal: it ended badly; the line shows the end of what it said.
    """
    with TemporaryFile() as output, TemporaryFile() as log:
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
        )
        usage = _waited(process, begun)
        output.seek(0)
        log.seek(0)
        if process.returncode:
            said = log.read().decode(errors="replace").strip().splitlines()
            message = f"{' '.join(arguments)} ended with {process.returncode}: {said[-1] if said else 'nothing said'}"
            raise Fatal(message, ExitCode.ABORTED)
        return usage, output.read()


def _waited(process: "subprocess.Popen[bytes]", begun: float) -> Usage:
    try:
        _, status, resources = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
    except BaseException:
        process.kill()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    per_mib = 1024 * 1024 if sys.platform == "darwin" else 1024  # Linux counts KiB, macOS bytes
    return Usage(seconds, resources.ru_utime + resources.ru_stime, resources.ru_maxrss / per_mib)
