"""Show the servers, and where every partition stands.

Lag is what a read_committed reader could still read; the last commit is in UTC.

Examples:
    python -m ops status
    watch -n 2 python -m ops status
"""

import argparse
import os
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

from confluent_kafka import IsolationLevel
from confluent_kafka.admin import OffsetSpec
from rich.console import Console
from rich.table import Table

from clients import kafka, mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from clients.sql import queries
from ops.servers import Servers
from ops.servers.notes import Notes
from ops.up import add_directory, settings_of
from partition import provisioned
from process.errors import ExitCode, Fatal
from settings import Settings


class PartitionState(NamedTuple):
    """One partition's position and counts; `committed_at` is UTC, None before the first commit."""

    partition: int
    next_offset: int
    lag: int
    messages: int
    visits: int
    rejected: int
    committed_at: datetime | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which servers."""
    add_directory(parser)


def main(arguments: argparse.Namespace) -> int:
    """Print two tables."""
    console = Console()
    directory = arguments.directory.resolve()
    if Notes.read(directory) is None:
        settings = Settings.from_environment()
    else:
        servers = Servers(directory, os.environ)
        console.print(_servers_table(servers))
        for server in servers.ours():
            if server.pid() is None:
                raise Fatal(f"{server.name} does not run; start it by python -m ops up", ExitCode.UNAVAILABLE)
        settings = settings_of(servers.environment())
    console.print(_partitions_table(settings, partition_states(settings)))
    return 0


def partition_states(settings: Settings) -> list[PartitionState]:
    """Return where every partition stands, as the leader board's user sees it.

    :raises Fatal: a server is away or refuses, or nothing has been provisioned.
    """
    login = Login.reader(settings)
    try:
        with closing(mariadb.connect(login)) as connection, translated(str(login)):
            cursor = connection.cursor()
            cursor.execute(queries()["read_pipeline"])
            pipeline = cursor.fetchone()
            rows = []
            if pipeline is not None:
                cursor.execute(queries()["partition_states"], (pipeline[2],))
                rows = cursor.fetchall()
    except (ConnectionLost, Transient) as error:
        raise mariadb.unavailable(error) from error
    if pipeline is None:
        message = f"database {login.database!r} has not been provisioned; run python -m ops provision"
        raise Fatal(message, ExitCode.CONFIG)
    ends = _ends(settings, pipeline[1], pipeline[2], pipeline[3])  # after the positions: no lag below 0
    return [PartitionState(row[0], row[1], max(0, ends[row[0]] - row[1]), *row[2:]) for row in rows]


def _ends(settings: Settings, name: str, topic_id: str, partitions: int) -> dict[int, int]:
    admin = kafka.admin_client(settings)
    topic = kafka.describe(admin, settings, [name])[name]
    if topic is None:
        raise Fatal(f"topic {name!r} does not exist; run python -m ops provision", ExitCode.CONFIG)
    if topic.topic_id != topic_id:
        raise Fatal(provisioned.recreated_message(topic, topic_id), ExitCode.DATA)
    return kafka.offsets(admin, name, range(partitions), OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)


def _servers_table(servers: Servers) -> Table:
    table = Table("server", "address", "pid", title=f"servers of {servers.directory}", title_justify="left")
    addresses = servers.environment()
    mariadb = f"{addresses['MARIADB_HOST']}:{addresses['MARIADB_PORT']}"
    for name, server, address in (
        ("Kafka", servers.kafka, addresses["KAFKA_BOOTSTRAP_SERVERS"]),
        ("MariaDB", servers.mariadb, mariadb),
    ):
        pid = server.pid() if server else None
        table.add_row(name, address, "of the environment" if server is None else str(pid or "does not run"))
    return table


def _partitions_table(settings: Settings, states: list[PartitionState]) -> Table:
    title = f"{settings.visits_topic} to {settings.mariadb_database}"
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("partition", "all", justify="right")
    for name in ("lag", "messages", "visits", "rejected"):
        table.add_column(name, str(sum(getattr(state, name) for state in states)), justify="right")
    table.add_column("last commit (UTC)")
    for state in states:
        at = f"{state.committed_at:%Y-%m-%d %H:%M:%S.%f}"[:-3] if state.committed_at else "none yet"
        counts = (state.lag, state.messages, state.visits, state.rejected)
        table.add_row(str(state.partition), *map(str, counts), at)
    return table
