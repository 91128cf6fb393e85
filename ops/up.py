"""Start Kafka and MariaDB for this machine in the background, provision them, and print how to reach them.

Standard output is `export NAME=value` lines and nothing else, the same on every call. Settings with which the
database was provisioned are among them where they are not the defaults. The servers are, in this
order: those that the environment names; containers of compose.yaml, if Docker 25 or newer is running with its
compose plugin; Apache Kafka (Java 17, fetched by Maven) and the installed MariaDB or, failing that, one fetched
by Maven. Data, logs, ports and passwords are below .local/ of the checkout or, without one, of the working
directory. If one server cannot be started, those that this command started are stopped again.

Examples:
    eval "$(python -m ops up)"
    python -m ops up --directory /tmp/another
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

from ops import servers
from ops.provision import provision
from ops.stored import stored_variables
from settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the servers' files are."""
    add_directory(parser)


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Add --directory."""
    parser.add_argument(
        "--directory",
        type=Path,
        default=servers.DIRECTORY,
        help="where data, logs, ports and passwords are (default: .local/ of the checkout or, without one, of the "
        "working directory)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Start, provision, print."""
    environment = servers.start(arguments.directory, os.environ).environment()
    try:
        environment |= stored_variables(settings_of(environment)) or {}
        provision(settings_of(environment))
    finally:  # if provision refuses, its cure needs the addresses too
        for name, value in environment.items():
            # The bytes of the environment, whatever the encoding of standard output is: a shell reads them back.
            sys.stdout.buffer.write(os.fsencode(f"export {name}={shlex.quote(value)}\n"))
        sys.stdout.flush()
    return 0


def settings_of(environment: dict[str, str]) -> Settings:
    """Return the settings of the environment, with the addresses and passwords of these servers."""
    return Settings.from_environment({**os.environ, **environment})
