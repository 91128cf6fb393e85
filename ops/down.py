"""Stop the Kafka and MariaDB that `python -m ops up` started, and only them. Their data stays.

Examples:
    python -m ops down
    python -m ops down --delete
"""

import argparse

from ops.servers import Servers
from ops.up import add_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which servers, and whether their data is deleted too."""
    add_directory(parser)
    parser.add_argument("--delete", action="store_true", help="delete data and logs too; ports and passwords stay")


def main(arguments: argparse.Namespace) -> int:
    """Stop the servers that are running."""
    servers = Servers(arguments.directory.resolve(), environ={})
    if arguments.delete:
        servers.delete()
    else:
        servers.stop()
    return 0
