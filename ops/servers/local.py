"""What the servers that run as background processes share: a folder, a pid, stopping."""

import shutil
from pathlib import Path

from ops.servers.notes import Notes, private_folder
from ops.servers.processes import Daemon


class LocalServer:
    """A server of this directory. It keeps its port and its data across stop, kill and start."""

    name: str
    _stop_timeout_s: float  # between SIGTERM and SIGKILL

    def __init__(self, directory: Path, notes: Notes) -> None:
        self._directory = directory
        self._notes = notes
        self._folder = directory / self.name.lower()
        self._data = self._folder / "data"
        # Not the system's: a starting MariaDB removes every temporary table that it finds, another server's too.
        self._temporary = self._folder / "tmp"
        self._daemon = Daemon(self.name, self._folder)

    def pid(self) -> int | None:
        """Return the server's pid if it is running."""
        return self._daemon.pid()

    def stop(self) -> None:
        """Stop it if it is running."""
        self._daemon.stop(timeout_s=self._stop_timeout_s)

    def kill(self) -> None:
        """Kill -9."""
        self._daemon.kill()

    def delete(self) -> None:
        """Stop it and delete its data and log."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make_folders(self) -> None:
        """Make the folders, the temporary one empty: what a killed server left there is useless."""
        private_folder(self._directory)
        private_folder(self._folder).chmod(0o700)  # ours alone, also if an earlier version made it
        shutil.rmtree(self._temporary, ignore_errors=True)
        private_folder(self._temporary)
