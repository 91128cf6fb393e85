"""Keep a set of processes running as one: when one ends, all of them start again."""

import ctypes
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, NamedTuple

from process.errors import RESTART_HELPS, ExitCode
from process.signals import Stop, stop_signals

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_END_S = 3.0  # after SIGTERM; everything has ended 5 s after the supervisor was asked to end
_PR_SET_PDEATHSIG = 1
_NO_RESTART_HELPS = frozenset({ExitCode.CONFIG, ExitCode.DATA})
_WAITED_FOR = frozenset({ExitCode.UNAVAILABLE, ExitCode.HELD})
_ENDED = {"action": "ended"}

Process = subprocess.Popen[bytes]


class Pace(NamedTuple):
    """How fast the set starts again, and when that is no use: an outage of a minute is outlived.

    Who ends within `lived_s` of its start has not lived. A start that waits for something and ends without it
    (69, 75) takes longer: the dataflow waits 10 s for another one's lock, and as long for a Kafka that is away.
    """

    first_delay_s: float = 0.5
    longest_delay_s: float = 10.0
    lived_s: float = 10.0
    lived_if_waiting_s: float = 60.0
    attempts: int = 10

    def has_lived(self, lasted_s: float, codes: Sequence[int]) -> bool:
        """Tell whether an end is the first of a row; one by SIGKILL is somebody's doing, and tells nothing."""
        waited = verdict(codes) in _WAITED_FOR
        return -signal.SIGKILL in codes or lasted_s >= (self.lived_if_waiting_s if waited else self.lived_s)

    def delay_s(self, failures: int) -> float:
        """Return the wait after so many ends in a row: doubled each time, and never twice the same."""
        doubled: float = min(self.longest_delay_s, self.first_delay_s * 2 ** (failures - 1))
        return doubled * random.uniform(1.0, 1.25)  # noqa: S311


def supervise(
    commands: Callable[[], list[list[str]]], *, environ: Mapping[str, str] | None = None, pace: Pace | None = None
) -> int:
    """Run a command for each process, all of them again when one ends, until they end well or a signal comes.

    Return 0 when all ended with 0, or after SIGTERM or SIGINT; the processes' code when it says that no restart
    helps, or when they ended too often in a row without having lived.
    """
    pace = pace or Pace()
    failures = 0
    with stop_signals() as stop:
        while True:
            began = time.monotonic()
            codes = _run_once(commands(), environ, stop)
            if stop.is_set() or not any(codes):
                return 0
            code = verdict(codes)
            if code in _NO_RESTART_HELPS:
                logger.error("ended with code %d: no restart helps", code, extra=_ENDED)
                return code
            failures = 1 if pace.has_lived(time.monotonic() - began, codes) else failures + 1
            if failures >= pace.attempts:
                logger.error("gives up: ended %d times in a row soon after its start", failures, extra=_ENDED)
                return code if code in RESTART_HELPS else ExitCode.ABORTED
            delay_s = pace.delay_s(failures)
            logger.warning("all processes start again in %.1f s", delay_s, extra={"action": "restart"})
            if stop.wait(delay_s):
                return 0


def _run_once(commands: list[list[str]], environ: Mapping[str, str] | None, stop: Stop) -> list[int]:
    """Run until one ends badly, all end well or `stop` is set; then end the rest. Return the codes of the ended."""
    processes: list[Process] = []
    try:
        processes.extend(started(command, environ) for command in commands)
        while not stop.wait(_POLL_S):
            codes = [process.poll() for process in processes]
            ended = [code for code in codes if code is not None]
            if any(ended) or len(ended) == len(codes):
                _log_ends(codes)
                return ended
        return []
    finally:
        end(processes)


def started(command: list[str], environ: Mapping[str, str] | None, output: IO[bytes] | None = None) -> Process:
    """Start a process that ends no later than this one; what it says goes to `output` or where ours goes."""
    # A session of its own: a Ctrl-C reaches this process alone, which then ends the others in order.
    return subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - nobody here has threads of Python
    )


def _die_with(parent: int) -> Callable[[], None] | None:
    """Let Linux kill the child when the supervisor itself is killed with -9 and can do nothing about it."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed before it could be asked for
            os._exit(ExitCode.ABORTED)

    return ask


def end(processes: Sequence[Process]) -> None:
    """Ask processes to end, and kill those that have not after 3 s."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + _END_S
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _log_ends(codes: list[int | None]) -> None:
    for index, code in enumerate(codes):
        if code:
            how = f"code {code}" if code > 0 else f"signal {-code}"
            logger.warning("process %d of %d ended with %s", index + 1, len(codes), how, extra=_ENDED)


def verdict(codes: Sequence[int]) -> int:
    """Return the code that says most: when one process ends by its own will, the others fall over it."""
    telling = [code for code in codes if code in _NO_RESTART_HELPS] + [code for code in codes if code in RESTART_HELPS]
    return (telling + [code for code in codes if code])[0]
