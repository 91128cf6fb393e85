"""The servers as containers of compose.yaml, where a Docker engine that can start it is running.

compose.yaml's services `kafka` and `mariadb` take their ports of 127.0.0.1 from KAFKA_PORT and MARIADB_PORT,
and MariaDB's root password from MARIADB_ROOT_PASSWORD. Every directory is a compose project of its own.
"""

import hashlib
import os
import re
import subprocess
from pathlib import Path

from ops.installation import INSTALLED, ROOT
from ops.servers.notes import Notes
from ops.servers.processes import free_port
from process.errors import ExitCode, Fatal

_COMPOSE_FILE = Path(__file__).with_name("compose.yaml") if INSTALLED else ROOT / "compose.yaml"
_OLDEST_API = (1, 44)  # of Docker 25, the first with a health check's start_interval


def is_there() -> bool:
    """Return whether there are a compose.yaml, a running engine that is new enough, and the compose plugin."""
    if not _COMPOSE_FILE.exists() or _output("compose", "version") is None:
        return False
    api = re.match(r"(\d+)\.(\d+)", _output("version", "--format", "{{.Server.APIVersion}}") or "")
    return api is not None and (int(api[1]), int(api[2])) >= _OLDEST_API


def _output(*arguments: str) -> str | None:
    command = ["docker", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


def project(directory: Path) -> str:
    """Return the name of a directory's compose project."""
    return f"website-{hashlib.sha256(str(directory).encode()).hexdigest()[:12]}"


class Container:
    """One service of compose.yaml. It keeps its port and its volume across stop, kill and start."""

    def __init__(self, name: str, directory: Path, notes: Notes) -> None:
        self.name = name
        self._directory = directory
        self._notes = notes
        self._service = name.lower()
        self._port_note = f"{self._service}_port"

    @property
    def address(self) -> str:
        """Return host:port."""
        return f"127.0.0.1:{getattr(self._notes, self._port_note)}"

    def pid(self) -> int | None:
        """Return the container's pid on the engine's machine if it is running."""
        container = self._compose("ps", "--quiet", self._service).strip()
        if not container:
            return None
        return int(_docker("inspect", "--format", "{{.State.Pid}}", container)) or None

    def start(self) -> None:
        """Start it, unless it is running, and wait until it is healthy.

        :raises Fatal: Docker refuses.
        """
        if not getattr(self._notes, self._port_note):
            setattr(self._notes, self._port_note, free_port())
            self._notes.write(self._directory)
        self._compose("up", "--detach", "--wait", self._service)

    def stop(self) -> None:
        """Stop it if it is running."""
        self._compose("stop", self._service)

    def kill(self) -> None:
        """Kill -9."""
        self._compose("kill", self._service)

    def delete(self) -> None:
        """Stop it and remove it with its volumes."""
        self._compose("rm", "--stop", "--force", "--volumes", self._service)
        self._compose("down", "--volumes", self._service)

    def _compose(self, *arguments: str) -> str:
        environ = {
            "KAFKA_PORT": str(self._notes.kafka_port),
            "MARIADB_PORT": str(self._notes.mariadb_port),
            "MARIADB_ROOT_PASSWORD": self._notes.admin_password,
        }
        options = ("--file", str(_COMPOSE_FILE), "--project-name", project(self._directory))
        return _docker("compose", *options, *arguments, **environ)


def _docker(*arguments: str, **environ: str) -> str:
    command = ["docker", *arguments]
    try:
        done = subprocess.run(
            command, env=os.environ | environ, capture_output=True, encoding="utf-8", errors="replace", check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        output = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        message = f"docker {' '.join(arguments)}: {output[-1] if output else 'no output'}"
        raise Fatal(message, ExitCode.UNAVAILABLE) from error
    return done.stdout
