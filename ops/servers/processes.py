"""Background processes that outlive the command that started them, and the ports they listen on."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from process.deadline import Deadline
from process.errors import ExitCode, Fatal

_POLL_S = 0.05
_CLOSING_S = 3.0

# Below the range from which Linux takes the ports of outgoing connections: no connection takes one of them.
_PORTS = range(20_000, 32_000)

# The shell writes its pid, then becomes the server: at no moment does a server run without a pid file.
_NOTE_PID = 'echo $$ >"$0" && exec "$@"'


def free_port(preferred: int | None = None) -> int:
    """Return a port of 127.0.0.1 on which no process listens: the preferred one if it is free."""
    if preferred is not None and _becomes_free(preferred):
        return preferred
    return next(port for port in random.sample(_PORTS, len(_PORTS)) if _is_free(port))


def _becomes_free(port: int) -> bool:
    """Wait a little: the sockets of a killed process are closed after the process itself is gone."""
    deadline = Deadline(_CLOSING_S)
    while not _is_free(port):
        if deadline.passed:
            return False
        time.sleep(_POLL_S)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: TIME_WAIT is no obstacle
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def environment() -> dict[str, str]:
    """Return a server's environment: paths are UTF-8 in it, whatever the locale of this process is."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


class Daemon:
    """One background process, known by the pid in its folder; its command line must name that folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / "log"
        self._pid_file = folder / "pid"
        self._child: subprocess.Popen[bytes] | None = None

    def pid(self) -> int | None:
        """Return the pid if the process is running; None for a stale pid, or one that another process has by now."""
        try:
            pid = int(self._pid_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        return pid if str(self.folder) in _command_line(pid) else None

    def start(self, command: list[str], *, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Start the command in a session of its own, unless it is running, and wait until it is ready.

        :raises Fatal: it ended, or was not ready in time; the message has the last line of its log.
        """
        if self.pid() is None:
            self._spawn(command)
        deadline = Deadline(timeout_s)
        while not is_ready():
            if self.pid() is None and self._child is not None and self._child.poll() is not None:
                raise self._failed("ended while it started")
            if deadline.passed:
                raise self._failed(f"is not ready after {timeout_s:.0f} s")
            time.sleep(_POLL_S)

    def stop(self, *, timeout_s: float) -> None:
        """Terminate it if it is running, and kill it after `timeout_s`."""
        self._signal(signal.SIGTERM)
        deadline = Deadline(timeout_s)
        while self.pid() is not None:
            if deadline.passed:
                self.kill()
            time.sleep(_POLL_S)
        self._reap()
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        while self.pid() is not None:
            time.sleep(_POLL_S)
        self._reap()

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait()

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid()
        if pid is not None:
            os.kill(pid, number)

    def _spawn(self, command: list[str]) -> None:
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", _NOTE_PID, str(self._pid_file), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment(),
                start_new_session=True,
                close_fds=True,
            )

    def _failed(self, how: str) -> Fatal:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1].strip() if lines else "(empty)"
        message = f"{self.name} {how}; the last line of {self.log}: {last}"
        return Fatal(message, ExitCode.UNAVAILABLE)


def _command_line(pid: int) -> str:
    """Return a process's command line; empty for one that is gone or a zombie."""
    if Path("/proc/self").exists():
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
        except OSError:
            return ""
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return os.fsdecode(subprocess.run(command, capture_output=True, check=False).stdout)
