"""Any path, any umask, any user: local servers stay inside the checkout, and only their owner can read them."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from ops.servers import ROOT, Servers
from ops.servers.notes import Notes
from ops.servers.software import SOFTWARE
from tests.support import process_environment

NOBODY = 65_534
INSTALLED = sysconfig.get_path("platlib")
NAME = "ü, a\\b c"
"""A comma ends a value of Kafka's, a backslash escapes, a space splits, and ü has another encoding in each locale."""


@pytest.fixture
def checkout(servers: Servers) -> Iterator[Path]:
    """A copy of the project alone in a folder, at a path of every kind of character."""
    assert servers.environment()  # it skips or fails where this machine can run no servers
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        copy = Path(folder) / NAME
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "tests", "__pycache__"))
        if SOFTWARE.exists():  # otherwise Maven fetches it into the copy
            (copy / ".local").mkdir()
            shutil.copytree(SOFTWARE, copy / ".local" / "software", copy_function=os.link)
        yield copy


AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def python_of_nobody() -> str | None:
    """Return a Python that another user than root can run with what is installed here; None if this user is not root.

    Root's own may be below /root, where nobody else may look.
    """
    if os.geteuid() != 0:
        return None
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        program, environ = "import mariadb, confluent_kafka, msgspec", {"PYTHONPATH": INSTALLED}
        with suppress(OSError):
            if not subprocess.run([python, "-c", program], env=environ, check=False, **AS_NOBODY).returncode:
                return python
    return None


def hand_over(checkout: Path) -> None:
    """Give the folders to nobody; the linked files stay whose they are."""
    for folder in (checkout, *(path for path in checkout.rglob("*") if path.is_dir())):
        os.chown(folder, NOBODY, NOBODY)


@pytest.mark.parametrize("umask", [0o077, 0])
def test_local_servers_stay_inside_the_checkout_and_are_private(checkout: Path, umask: int) -> None:
    """As any user, with the plainest locale: Kafka and MariaDB write below .local, nothing beside it."""
    python = python_of_nobody()
    identity = AS_NOBODY if python else {}
    if python:
        hand_over(checkout)
    environ = process_environment({"LANG": "C", "HOME": str(checkout)})
    environ = {name: value for name, value in environ.items() if not name.startswith("LC_")}

    def ops(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python or sys.executable, "-m", "ops", *arguments],
            cwd=checkout,
            env=environ | {"PYTHONPATH": INSTALLED},
            capture_output=True,
            encoding="utf-8",
            timeout=200,
            check=False,
            umask=umask,
            **identity,
        )

    local = checkout / ".local"
    no_docker = "from pathlib import Path; from ops.servers.notes import Notes; Path('.local').mkdir(exist_ok=True);"
    no_docker += "Notes(docker=False).write(Path('.local'))"
    command, environ_here = [python or sys.executable, "-c", no_docker], environ | {"PYTHONPATH": INSTALLED}
    subprocess.run(command, cwd=checkout, env=environ_here, check=True, umask=umask, **identity)
    before = {path.name for path in checkout.iterdir()} - {"__pycache__"}
    try:
        done = ops("up")
        assert done.returncode == 0, done.stderr
        started = Servers(local, {})
        pids = [server.pid() for server in started.ours()]
        assert None not in pids
        if identity:
            assert {psutil.Process(pid).uids().effective for pid in pids} == {NOBODY}
        assert {path.name for path in checkout.parent.iterdir()} == {NAME}
        assert {path.name for path in checkout.iterdir()} - {"__pycache__"} == before
        assert (local / "kafka" / "data" / "meta.properties").exists()
        assert (local / "mariadb" / "data" / "ibdata1").exists()
        private = [local, local / "kafka", local / "mariadb"]
        assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o700] * 3
        secret = [local / "servers.json", local / "mariadb" / "accounts.sql"]
        assert [stat.S_IMODE(path.stat().st_mode) for path in secret] == [0o600] * 2
        assert ops("down").returncode == 0
        assert ops("up").stdout == done.stdout
    finally:
        ops("down", "--delete")
    assert Notes.read(local) is not None
