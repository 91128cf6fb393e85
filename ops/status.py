"""Show the servers, and the position of every partition.

Lag is the number of offsets up to the end that a read_committed consumer sees. Behind that end, offsets may wait
for an open transaction of another producer, which is then named. The last commit is in UTC.

Examples:
    python -m ops status
    watch -n 2 python -m ops status
"""

import argparse
import os
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from clients import kafka, mariadb
from clients.log_ends import LogEnd, log_ends, open_transaction_message
from clients.mariadb import ConnectionLost, Login, Transient, translated
from clients.sql import queries
from ops.servers import Servers
from ops.servers.notes import Notes
from ops.up import add_directory, settings_of
from partition import provisioned
from partition.pipeline import Pipeline, read_pipeline
from process.errors import ExitCode, Fatal
from settings import Settings


class PartitionState(NamedTuple):
    """One partition's position and counts; `committed_at` is UTC, None before the first commit."""

    partition: int
    next_offset: int
    lag: int
    end: LogEnd
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
                raise Fatal(f"{server.name} is not running; start it with python -m ops up", ExitCode.UNAVAILABLE)
        settings = settings_of(servers.environment())
    states = partition_states(settings)
    console.print(_partitions_table(settings, states))
    for state in states:
        if state.end.waiting:
            print(open_transaction_message(settings.visits_topic, state.partition, state.end))
    return 0


def partition_states(settings: Settings) -> list[PartitionState]:
    """Return the state of every partition, read as the leaderboard's user.

    :raises Fatal: a server is unavailable or refuses, or nothing has been provisioned.
    """
    login = Login.reader(settings)
    try:
        with closing(mariadb.connect(login)) as connection, translated(str(login)):
            cursor = connection.cursor()
            pipeline = read_pipeline(cursor)
            rows = []
            if pipeline is not None:
                cursor.execute(queries()["partition_states"], (pipeline.topic_id,))
                rows = cursor.fetchall()
    except (ConnectionLost, Transient) as error:
        raise mariadb.unavailable(error) from error
    if pipeline is None:
        raise Fatal(provisioned.not_provisioned_message(settings.mariadb_database), ExitCode.CONFIG)
    ends = _ends(settings, pipeline)  # after the positions: no lag below 0
    return [
        PartitionState(partition, at, max(0, ends[partition].committed - at), ends[partition], *counts)
        for partition, at, *counts in rows
    ]


def _ends(settings: Settings, pipeline: Pipeline) -> dict[int, LogEnd]:
    admin, name = kafka.admin_client(settings), pipeline.topic
    topic = kafka.describe(admin, settings, [name])[name]
    if topic is None:
        raise Fatal(f"topic {name!r} does not exist; run python -m ops provision", ExitCode.CONFIG)
    if topic.topic_id != pipeline.topic_id:
        raise Fatal(provisioned.recreated_message(topic, pipeline.topic_id), ExitCode.DATA)
    return log_ends(admin, name, range(pipeline.partitions))


def _servers_table(servers: Servers) -> Table:
    table = Table("server", "address", "pid", title=f"servers of {servers.directory}", title_justify="left")
    addresses = servers.environment()
    mariadb = f"{addresses['MARIADB_HOST']}:{addresses['MARIADB_PORT']}"
    for name, server, address in (
        ("Kafka", servers.kafka, addresses["KAFKA_BOOTSTRAP_SERVERS"]),
        ("MariaDB", servers.mariadb, mariadb),
    ):
        pid = server.pid() if server else None
        table.add_row(name, address, "from the environment" if server is None else str(pid or "not running"))
    return table


def _partitions_table(settings: Settings, states: list[PartitionState]) -> Table:
    title = f"{settings.visits_topic} to {settings.mariadb_database}"
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("partition", "all", justify="right")
    rows = [(s.lag, s.end.waiting, s.messages, s.visits, s.rejected) for s in states]
    for name, *numbers in zip(("lag", "waiting", "messages", "visits", "rejected"), *rows, strict=True):
        table.add_column(name, str(sum(numbers)), justify="right")
    table.add_column("last commit (UTC)")
    for state, row in zip(states, rows, strict=True):
        at = f"{state.committed_at:%Y-%m-%d %H:%M:%S.%f}"[:-3] if state.committed_at else "none yet"
        table.add_row(str(state.partition), *map(str, row), at)
    return table
