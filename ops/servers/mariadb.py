"""MariaDB in the background, installed or unpacked, run by whoever calls it."""

import os
import shutil
import subprocess
from pathlib import Path

from failure import ExitCode, Fatal
from ops.servers import software
from ops.servers.notes import Notes
from ops.servers.processes import Daemon, free_port
from sinks import database

ADMIN = "root"

# Runs at every start, before anybody can connect: the accounts that an installation makes without a password go.
_ACCOUNTS = """\
DELETE FROM mysql.global_priv WHERE User = '' OR (User = '{admin}' AND Host NOT IN ('localhost', '127.0.0.1'));
FLUSH PRIVILEGES;
CREATE USER IF NOT EXISTS '{admin}'@'127.0.0.1';
ALTER USER '{admin}'@'localhost' IDENTIFIED BY '{password}', '{admin}'@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON *.* TO '{admin}'@'127.0.0.1' WITH GRANT OPTION;
"""

_OPTIONS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-ssl",  # 11.4 makes itself a new RSA key at every start, which takes 1-10 s
    "--max-connections=500",
    "--innodb-buffer-pool-size=256M",
    "--character-set-server=utf8mb4",
)


class MariaDB:
    """A server of this directory. It keeps its port and its data over stop, kill and start."""

    name = "MariaDB"

    def __init__(self, directory: Path, notes: Notes) -> None:
        self._directory = directory
        self._notes = notes
        self._folder = directory / "mariadb"
        self._data = self._folder / "data"
        self._daemon = Daemon(self.name, self._folder)

    @property
    def address(self) -> str:
        """Return host:port."""
        return f"127.0.0.1:{self._notes.mariadb_port}"

    def pid(self) -> int | None:
        """Return the server's pid if it runs."""
        return self._daemon.pid()

    def start(self) -> None:
        """Start it, unless it runs, and wait until the administrator can log in.

        :raises Fatal: it cannot be started; one line.
        """
        command: list[str] = []
        if self._daemon.pid() is None:
            programs = software.mariadb()
            self._folder.mkdir(parents=True, exist_ok=True)
            self._install(programs)
            self._notes.mariadb_port = free_port(self._notes.mariadb_port or None)
            self._notes.write(self._directory)
            command = self._command(programs)
        self._daemon.start(command, answers=self._answers, deadline_s=60)

    def stop(self) -> None:
        """Stop it; nothing if it does not run."""
        self._daemon.stop(deadline_s=30)

    def kill(self) -> None:
        """Kill -9."""
        self._daemon.kill()

    def delete(self) -> None:
        """Stop it and remove its data and log."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _install(self, programs: software.MariaDB) -> None:
        """Make the data folder; it is there whole or not at all."""
        if self._data.exists():
            return
        draft = self._folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        base = [f"--basedir={programs.base}"] if programs.base else []
        options = ["--no-defaults", *base, f"--datadir={draft}", *_run_as_root()]
        safe = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        command = [str(programs.install_db), *options, *safe]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            line = f"MariaDB cannot install {self._data}: {said[-1] if said else 'nothing said'}"
            raise Fatal(line, ExitCode.CONFIG)
        draft.rename(self._data)

    def _command(self, programs: software.MariaDB) -> list[str]:
        accounts = self._folder / "accounts.sql"
        accounts.unlink(missing_ok=True)
        accounts.touch(mode=0o600)
        accounts.write_text(_ACCOUNTS.format(admin=ADMIN, password=self._notes.admin_password), encoding="ascii")
        return [
            str(programs.server),
            "--no-defaults",
            *([f"--basedir={programs.base}"] if programs.base else []),
            f"--datadir={self._data}",
            f"--port={self._notes.mariadb_port}",
            "--socket=mariadb.sock",  # below the data folder: a longer path may not fit into a socket's address
            f"--pid-file={self._folder / 'server.pid'}",
            f"--init-file={accounts}",
            *_OPTIONS,
            *_run_as_root(),
        ]

    def _answers(self) -> bool:
        password = self._notes.admin_password
        login = database.Login("127.0.0.1", self._notes.mariadb_port, ADMIN, password, None, None)
        try:
            database.connect(login).close()
        except database.ConnectionLost:
            return False
        return True


def _run_as_root() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []
