"""The servers as containers of compose.yaml, where a Docker engine runs.

compose.yaml's services `kafka` and `mariadb` take their ports of 127.0.0.1 from KAFKA_PORT and MARIADB_PORT,
and MariaDB's root password from MARIADB_ROOT_PASSWORD. Every directory is a compose project of its own.
"""

import hashlib
import os
import subprocess
from pathlib import Path

from failure import ExitCode, Fatal
from ops.servers.notes import Notes
from ops.servers.processes import free_port
from ops.servers.software import ROOT

_COMPOSE_FILE = ROOT / "compose.yaml"


def is_there() -> bool:
    """Return whether there are a compose.yaml and an engine that runs."""
    if not _COMPOSE_FILE.exists():
        return False
    try:
        asked = ["docker", "info"]
        return subprocess.run(asked, capture_output=True, check=False, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Container:
    """One service of compose.yaml. It keeps its port and its volume over stop, kill and start."""

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
        """Return the container's pid on the engine's machine if it runs."""
        container = self._compose("ps", "--quiet", self._service).strip()
        if not container:
            return None
        return int(_docker("inspect", "--format", "{{.State.Pid}}", container)) or None

    def start(self) -> None:
        """Start it, unless it runs, and wait until it is healthy.

        :raises Fatal: Docker refuses; one line.
        """
        if not getattr(self._notes, self._port_note):
            setattr(self._notes, self._port_note, free_port())
            self._notes.write(self._directory)
        self._compose("up", "--detach", "--wait", self._service)

    def stop(self) -> None:
        """Stop it; nothing if it does not run."""
        self._compose("stop", self._service)

    def kill(self) -> None:
        """Kill -9."""
        self._compose("kill", self._service)

    def delete(self) -> None:
        """Stop it and remove it with its volumes."""
        self._compose("rm", "--stop", "--force", "--volumes", self._service)
        self._compose("down", "--volumes", self._service)

    def _compose(self, *arguments: str) -> str:
        project = hashlib.sha256(str(self._directory).encode()).hexdigest()[:12]
        environ = {
            "KAFKA_PORT": str(self._notes.kafka_port),
            "MARIADB_PORT": str(self._notes.mariadb_port),
            "MARIADB_ROOT_PASSWORD": self._notes.admin_password,
        }
        options = ("--file", str(_COMPOSE_FILE), "--project-name", f"website-{project}")
        return _docker("compose", *options, *arguments, **environ)


def _docker(*arguments: str, **environ: str) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        line = f"docker {' '.join(arguments)}: {said[-1] if said else 'nothing said'}"
        raise Fatal(line, ExitCode.UNAVAILABLE)
    return done.stdout
