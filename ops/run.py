"""Run the dataflow as worker processes of one cluster, and start all of them again when one ends or hangs.

SIGTERM and Ctrl-C end everything within 5 s, with exit code 0; so does the end of the input (STOP_AT_END=1).
Where no restart helps (a wrong setting, nothing provisioned, positions that contradict each other) it ends at
once with the dataflow's own code: 78 or 65. It gives up after 10 ends in a row that each came soon after the
start, with the last code: after about 3 minutes if another copy of the dataflow is running (75). A process
hangs when its work has stood still for HANG_TIMEOUT_S (default: 30).

Examples:
    python -m ops run -p 2
    python -m ops run -p 4 -w 2
    python -m ops run --process 0 --addresses "host-a:2101;host-b:2101"    (on host-a)
    python -m ops run --process 1 --addresses "host-a:2101;host-b:2101"    (on host-b)
"""

import argparse
import os
import sys
from functools import partial

from ops.installation import DATAFLOW, module_environment
from ops.servers.processes import free_port
from ops.supervisor import supervise
from process.errors import ExitCode, Fatal
from settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the size of the cluster."""
    parser.add_argument("-p", "--processes", type=_count, default=1, help="processes on this machine (default: 1)")
    parser.add_argument("-w", "--workers", type=_count, default=1, help="threads in each process (default: 1)")
    parser.add_argument("--process", type=int, help="run one process, of this number, of a cluster of several hosts")
    parser.add_argument("--addresses", help="host:port of every process of that cluster, separated by semicolons")


def main(arguments: argparse.Namespace) -> int:
    """Run until the dataflow ends, or a signal stops it."""
    environ = module_environment(os.environ)
    hang_timeout_s = Settings.from_environment().hang_timeout_s
    if arguments.process is None and arguments.addresses is None:
        commands = partial(_cluster, arguments.processes, arguments.workers)
        return supervise(commands, environ=environ, hang_timeout_s=hang_timeout_s)
    command = _one_of_several_hosts(arguments.process, arguments.addresses, arguments.workers)
    return supervise(lambda: [command], environ=environ, hang_timeout_s=hang_timeout_s)


def _count(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{value} is not 1 or more")
    return number


def _cluster(processes: int, workers: int) -> list[list[str]]:
    """Return the commands of a cluster on this machine; its ports are chosen anew at every start."""
    if processes == 1:
        return [_command(workers)]
    ports: set[int] = set()
    while len(ports) < processes:
        ports.add(free_port())
    addresses = ";".join(f"127.0.0.1:{port}" for port in sorted(ports))
    return [_command(workers, "-i", str(index), "-a", addresses) for index in range(processes)]


def _one_of_several_hosts(process: int | None, addresses: str | None, workers: int) -> list[str]:
    count = len(addresses.split(";")) if addresses else 0
    if process is None or not 0 <= process < count:
        message = (
            f"--process is {process} and --addresses is {addresses!r}, but --process must be one of the numbers, "
            "from 0, of the host:port that --addresses lists"
        )
        raise Fatal(message, ExitCode.CONFIG)
    return _command(workers, "-i", str(process), "-a", str(addresses))


def _command(workers: int, *cluster: str) -> list[str]:
    return [sys.executable, "-m", "bytewax.run", DATAFLOW, "-w", str(workers), *cluster]
