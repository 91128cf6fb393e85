"""Kafka and MariaDB for this machine: those of the environment, containers, or background processes."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from ops.installation import LOCAL, ROOT
from ops.servers import docker
from ops.servers.kafka import Kafka
from ops.servers.mariadb import ADMIN, MariaDB
from ops.servers.notes import Notes, locked
from settings import Settings

__all__ = ["DIRECTORY", "ROOT", "Server", "Servers", "start"]

DIRECTORY = LOCAL

logger = logging.getLogger(__name__)


class Server(Protocol):
    """A server of ours. It keeps its port and its data across stop, kill and start; only delete removes them."""

    name: str

    @property
    def address(self) -> str:
        """Return host:port."""

    def pid(self) -> int | None:
        """Return the pid if it is running."""

    def start(self) -> None:
        """Start it, unless it is running, and wait until it is ready."""

    def stop(self) -> None:
        """Stop it if it is running."""

    def kill(self) -> None:
        """Kill -9."""

    def delete(self) -> None:
        """Stop it and remove its data."""


class Servers:
    """The servers of a directory; `kafka` or `mariadb` is None where the environment names another one."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self.directory = directory
        self._environ = environ
        self.notes = Notes.read(directory) or Notes()
        self.kafka: Server | None = None
        self.mariadb: Server | None = None
        # The addresses that `up` printed before are those of these servers.
        kafka = environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if not kafka or kafka == f"127.0.0.1:{self.notes.kafka_port}":
            self.kafka = self._server("Kafka", Kafka)
        host, port = environ.get("MARIADB_HOST"), environ.get("MARIADB_PORT")
        named = (host or "127.0.0.1", port or "3306")
        if not (host or port) or named == ("127.0.0.1", str(self.notes.mariadb_port)):
            self.mariadb = self._server("MariaDB", MariaDB)

    def ours(self) -> list[Server]:
        """Return the servers of this directory, without those that the environment names."""
        return [server for server in (self.kafka, self.mariadb) if server is not None]

    def environment(self) -> dict[str, str]:
        """Return the variables with which every client reaches these servers.

        :raises Fatal: a variable of the environment is wrong.
        """
        settings = Settings.from_environment(self._environ)
        kafka = self.kafka.address if self.kafka else settings.kafka_bootstrap_servers
        return {"KAFKA_BOOTSTRAP_SERVERS": kafka} | (self._own_mariadb() if self.mariadb else _mariadb_of(settings))

    def stop(self) -> None:
        """Stop the servers of this directory; those of the environment stay."""
        with locked(self.directory):
            for server in self.ours():
                server.stop()

    def delete(self) -> None:
        """Stop them and delete their data; ports and passwords stay, so that a shell's variables stay right.

        Containers of an engine that is gone cannot be reached: they are forgotten, so that `up` can choose anew.
        """
        with locked(self.directory):
            if self.notes.docker and not docker.is_there():
                project = docker.project(self.directory)
                logger.warning("Docker is gone, or too old: containers and volumes of %s are forgotten", project)
            else:
                for server in self.ours():
                    server.delete()
            self.notes.docker = None
            self.notes.write(self.directory)

    def _server(self, name: str, of_processes: type[Kafka] | type[MariaDB]) -> Server:
        if self.notes.docker:
            return docker.Container(name, self.directory, self.notes)
        return of_processes(self.directory, self.notes)

    def _own_mariadb(self) -> dict[str, str]:
        port = str(self.notes.mariadb_port)
        return {
            "MARIADB_HOST": "127.0.0.1",
            "MARIADB_PORT": port,
            "MARIADB_USER": "website_dataflow",
            "MARIADB_PASSWORD": self.notes.dataflow_password,
            "MARIADB_ADMIN_USER": ADMIN,
            "MARIADB_ADMIN_PASSWORD": self.notes.admin_password,
            "MARIADB_READER_USER": "website_reader",
            "MARIADB_READER_PASSWORD": self.notes.reader_password,
        }


def _mariadb_of(settings: Settings) -> dict[str, str]:
    return {
        "MARIADB_HOST": settings.mariadb_host,
        "MARIADB_PORT": str(settings.mariadb_port),
        "MARIADB_USER": settings.mariadb_user,
        "MARIADB_PASSWORD": settings.mariadb_password,
        "MARIADB_ADMIN_USER": settings.mariadb_admin_user,
        "MARIADB_ADMIN_PASSWORD": settings.mariadb_admin_password,
        "MARIADB_READER_USER": settings.mariadb_reader_user,
        "MARIADB_READER_PASSWORD": settings.mariadb_reader_password,
    }


def start(directory: Path, environ: Mapping[str, str]) -> Servers:
    """Start the servers of a directory, or find those that are running, and wait until they are ready: all or none.

    :raises Fatal: one cannot be started; the message names the choices. Those that this call started are stopped.
    """
    directory = directory.resolve()
    with locked(directory):
        if directory == DIRECTORY.resolve():
            directory.chmod(0o700)  # it is ours; another directory that exists may be used for more
        notes = Notes.read(directory) or Notes()
        if notes.docker is None:
            notes.docker = docker.is_there()
        notes.write(directory)
        servers = Servers(directory, environ)
        with ExitStack() as begun:
            for server in servers.ours():
                if server.pid() is None:
                    logger.info("starting %s", server.name)
                    begun.callback(server.stop)
                server.start()
                logger.info("%s is ready at %s", server.name, server.address)
            begun.pop_all()
    return servers
