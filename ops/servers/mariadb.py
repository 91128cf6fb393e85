"""MariaDB in the background, installed or unpacked, run as the present user."""

import os
import shutil
import subprocess
from pathlib import Path

from clients import mariadb
from ops.servers import software
from ops.servers.local import LocalServer
from ops.servers.notes import Notes
from ops.servers.processes import environment, free_port
from process.errors import ExitCode, Fatal

ADMIN = "root"

# Runs at every start, before any client can connect: it drops the accounts that an installation makes without a
# password.
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
    "--skip-ssl",  # 11.4 generates a new RSA key at every start, which takes 1-10 s
    "--max-connections=500",
    "--innodb-buffer-pool-size=256M",
    "--character-set-server=utf8mb4",
)


class MariaDB(LocalServer):
    """A server of this directory. It keeps its port and its data across stop, kill and start."""

    name = "MariaDB"
    _stop_timeout_s = 30

    def __init__(self, directory: Path, notes: Notes, options: tuple[str, ...] = ()) -> None:
        """Prepare it; `options` are further ones of mariadbd, and take precedence."""
        super().__init__(directory, notes)
        self._options = options

    @property
    def address(self) -> str:
        """Return host:port."""
        return f"127.0.0.1:{self._notes.mariadb_port}"

    def start(self) -> None:
        """Start it, unless it is running, and wait until the administrator can log in.

        :raises Fatal: it cannot be started.
        """
        command: list[str] = []
        if self._daemon.pid() is None:
            programs = software.mariadb()
            self._make_folders()
            self._install(programs)
            self._notes.mariadb_port = free_port(self._notes.mariadb_port or None)
            self._notes.write(self._directory)
            command = self._command(programs)
        self._daemon.start(command, is_ready=self._is_ready, timeout_s=180)

    def _install(self, programs: software.MariaDB) -> None:
        """Make the data folder; it exists whole or not at all."""
        if self._data.exists():
            return
        draft = self._folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        (self._folder / "base").unlink(missing_ok=True)
        if programs.base:
            (self._folder / "base").symlink_to(programs.base)
        base = ["--basedir=./base"] if programs.base else []
        # The script splits what it is given at spaces, and drops backslashes: nothing but names in its directory.
        options = ["--no-defaults", *base, f"--datadir=./{draft.name}", *_run_as_root()]
        safe = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        command = [str(programs.install_db), *options, *safe]
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=environment() | {"TMPDIR": str(self._temporary)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            output = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            first = next((line for line in output if "ERROR" in line), output[0] if output else "no output")
            message = f"MariaDB cannot install {self._data}: {first}"
            raise Fatal(message, ExitCode.CONFIG)
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
            f"--tmpdir={self._temporary}",
            f"--port={self._notes.mariadb_port}",
            "--socket=mariadb.sock",  # below the data folder: a longer path may not fit into a socket's address
            f"--pid-file={self._folder / 'server.pid'}",
            f"--init-file={accounts}",
            *_OPTIONS,
            *_run_as_root(),
            *self._options,
        ]

    def _is_ready(self) -> bool:
        password = self._notes.admin_password
        login = mariadb.Login("127.0.0.1", self._notes.mariadb_port, ADMIN, password, None, None)
        try:
            mariadb.connect(login).close()
        except mariadb.ConnectionLost:
            return False
        return True


def _run_as_root() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []
