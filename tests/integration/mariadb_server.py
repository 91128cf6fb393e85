"""A MariaDB of a test's own, started with options that a database administrator may have set."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.provision import provision
from ops.servers import Servers
from ops.servers.mariadb import ADMIN, MariaDB
from ops.servers.notes import Notes
from process.errors import Fatal
from settings import Settings
from tests.support import own_names, remove


class Server:
    """The server, and how a pipeline on it is configured; Kafka is the session's."""

    def __init__(self, servers: Servers, notes: Notes) -> None:
        self._servers = servers
        self._notes = notes

    def variables(self) -> dict[str, str]:
        """Return the variables of a new pipeline."""
        return own_names(self._servers) | {
            "MARIADB_HOST": "127.0.0.1",
            "MARIADB_PORT": str(self._notes.mariadb_port),
            "MARIADB_ADMIN_USER": ADMIN,
            "MARIADB_ADMIN_PASSWORD": self._notes.admin_password,
            "VISITS_PARTITIONS": "1",
        }

    @contextmanager
    def pipeline(self, **more: str) -> Iterator[Settings]:
        """Provision a new pipeline, and remove it in the end."""
        settings = Settings.from_environment(self.variables() | more)
        try:
            provision(settings)
            yield settings
        finally:
            remove(settings)


@contextmanager
def mariadb_with(servers: Servers, directory: Path, *options: str) -> Iterator[Server]:
    """Start a MariaDB with these options; it is deleted in the end."""
    notes = Notes()
    server = MariaDB(directory, notes, options)
    try:
        server.start()
    except Fatal as fatal:
        server.delete()
        if os.environ.get("CI"):
            pytest.fail(fatal.message)
        pytest.skip(fatal.message)
    try:
        yield Server(servers, notes)
    finally:
        server.delete()
