"""Keep a set of processes running as one: when one ends or hangs, all of them start again."""

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

from ops.heartbeats import Pulse
from process.deadline import Deadline
from process.errors import RESTART_HELPS, ExitCode
from process.heartbeat import RESTARTS_VARIABLE
from process.signals import Stop, stop_signals

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_END_S = 3.0  # after SIGTERM; everything has ended 5 s after the supervisor's own
_PR_SET_PDEATHSIG = 1
_NO_RESTART_HELPS = frozenset({ExitCode.CONFIG, ExitCode.DATA})
HANG_TIMEOUT_S = 30.0
_WAITED_FOR = frozenset({ExitCode.UNAVAILABLE, ExitCode.HELD})
_ENDED = {"action": "ended"}

Process = subprocess.Popen[bytes]


class RestartPolicy(NamedTuple):
    """How long to wait before a restart, and when to give up: an outage of a minute is survived.

    A run shorter than `min_uptime_s` is one more failure in a row. `min_uptime_if_waiting_s` is for runs that may
    have done nothing but wait (69, 75): the dataflow waits 10 s for another one's lock, and as long for Kafka.
    """

    first_backoff_s: float = 0.5
    longest_backoff_s: float = 10.0
    min_uptime_s: float = 10.0
    min_uptime_if_waiting_s: float = 60.0
    attempts: int = 10

    def resets_failures(self, uptime_s: float, codes: Sequence[int]) -> bool:
        """Return whether the count of failures starts anew: after a long run, or SIGKILL, which comes from outside."""
        waited = verdict(codes) in _WAITED_FOR
        min_uptime_s = self.min_uptime_if_waiting_s if waited else self.min_uptime_s
        return -signal.SIGKILL in codes or uptime_s >= min_uptime_s

    def backoff_s(self, failures: int) -> float:
        """Return the wait after so many failures in a row: doubled each time, with jitter."""
        doubled: float = min(self.longest_backoff_s, self.first_backoff_s * 2 ** (failures - 1))
        return doubled * random.uniform(1.0, 1.25)  # noqa: S311


def supervise(
    commands: Callable[[], list[list[str]]],
    *,
    environ: Mapping[str, str] | None = None,
    policy: RestartPolicy | None = None,
    hang_timeout_s: float = HANG_TIMEOUT_S,
) -> int:
    """Run a command for each process, all of them again when one ends, until all end with 0 or a signal comes.

    A process whose heartbeat (process/heartbeat.py) stops for `hang_timeout_s` has ended in the same sense.
    Return 0 when all ended with 0, or after SIGTERM or SIGINT; the processes' code when it means that no restart
    helps, or after too many failures in a row.
    """
    policy = policy or RestartPolicy()
    failures = restarts = 0
    with stop_signals() as stop:
        while True:
            began = time.monotonic()
            numbered = {**(os.environ if environ is None else environ), RESTARTS_VARIABLE: str(restarts)}
            codes = _run_once(commands(), numbered, stop, hang_timeout_s)
            if stop.is_set() or not any(codes):
                return 0
            code = verdict(codes)
            if code in _NO_RESTART_HELPS:
                logger.error("ended with code %d: no restart helps", code, extra=_ENDED)
                return code
            failures = 1 if policy.resets_failures(time.monotonic() - began, codes) else failures + 1
            if failures >= policy.attempts:
                logger.error("gives up: ended %d times in a row soon after its start", failures, extra=_ENDED)
                return code if code in RESTART_HELPS else ExitCode.ABORTED
            restarts += 1
            backoff_s = policy.backoff_s(failures)
            logger.warning("all processes start again in %.1f s", backoff_s, extra={"action": "restart"})
            if stop.wait(backoff_s):
                return 0


def _run_once(
    commands: list[list[str]], environ: Mapping[str, str] | None, stop: Stop, hang_timeout_s: float
) -> list[int]:
    """Run until one fails or hangs, all end with 0 or `stop` is set; then end the rest. Return their codes."""
    pulses = [Pulse() for _ in commands]
    processes: list[Process] = []
    try:
        processes.extend(
            started(command, environ, pulse=pulse) for command, pulse in zip(commands, pulses, strict=True)
        )
        while not stop.wait(_POLL_S):
            codes = [process.poll() for process in processes]
            ended = [code for code in codes if code is not None]
            if any(ended) or len(ended) == len(codes):
                _log_ends(codes)
                return ended
            if _one_hangs(pulses, hang_timeout_s):
                return [ExitCode.ABORTED]
        return []
    finally:
        end(processes)
        for pulse in pulses:
            pulse.close()


def started(
    command: list[str],
    environ: Mapping[str, str] | None,
    output: IO[bytes] | None = None,
    *,
    pulse: Pulse | None = None,
) -> Process:
    """Start a process that ends no later than this one; it writes to `output`, or to the same place as this one."""
    # A session of its own: a Ctrl-C reaches this process alone, which then ends the others in order.
    return subprocess.Popen(
        command,
        env=pulse.environment(environ) if pulse else environ,
        pass_fds=[pulse.writer] if pulse else [],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - this process has no other threads of Python
    )


def _die_with(parent: int) -> Callable[[], None] | None:
    """Let Linux kill the child when the supervisor itself is killed with -9, and cannot end it."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def set_death_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed before the signal was set
            os._exit(ExitCode.ABORTED)

    return set_death_signal


def end(processes: Sequence[Process]) -> None:
    """Terminate processes, and kill those that have not ended after 3 s."""
    for process in processes:
        process.terminate()
    deadline = Deadline(_END_S)
    for process in processes:
        try:
            process.wait(deadline.left_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _log_ends(codes: list[int | None]) -> None:
    for index, code in enumerate(codes):
        if code:
            how = f"code {code}" if code > 0 else f"signal {-code}"
            logger.warning("process %d of %d ended with %s", index + 1, len(codes), how, extra=_ENDED)


def _one_hangs(pulses: Sequence[Pulse], timeout_s: float) -> bool:
    """Return whether the work of one has stood still for so long; the others stand still soon after it."""
    silences_s = [pulse.silence_s() for pulse in pulses]
    longest_s = max(silences_s)
    if longest_s < timeout_s:
        return False
    where = f"process {silences_s.index(longest_s) + 1} of {len(pulses)}"
    logger.error("%s hangs: its work has stood still for %.0f s", where, longest_s, extra={"action": "hang"})
    return True


def verdict(codes: Sequence[int]) -> int:
    """Return the most informative code: when one process ends with a code of ours, the others fail because of it."""
    ours = [code for code in codes if code in _NO_RESTART_HELPS] + [code for code in codes if code in RESTART_HELPS]
    return (ours + [code for code in codes if code])[0]
