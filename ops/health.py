"""Tell whether the dataflow moves: for health checks, probes and scripts.

Exit code 0: nothing waits in Kafka, or every partition in which messages wait has counted some of them within the
time given. Otherwise one line with the reason, and 1; or the code of what is unavailable or wrong.

Examples:
    python -m ops health
    python -m ops health --within 30
"""

import argparse
import time

from ops.status import PartitionState, partition_states
from process.deadline import Deadline
from settings import Settings

_POLL_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how long to wait for progress."""
    parser.add_argument(
        "--within", type=float, default=10.0, metavar="SECONDS", help="how long to wait for progress (default: 10)"
    )


def main(arguments: argparse.Namespace) -> int:
    """Print one line; return 0 if the dataflow moves, 1 if it does not."""
    why_not = standstill(Settings.from_environment(), arguments.within)
    print(why_not or "the dataflow moves, or has nothing to do")
    return 1 if why_not else 0


def standstill(settings: Settings, within_s: float) -> str | None:
    """Return why the dataflow does not move; None if it does, or has nothing to do.

    :raises Fatal: a server is unavailable or refuses, or nothing has been provisioned.
    """
    waiting = {state.partition: state for state in partition_states(settings) if state.lag}
    deadline = Deadline(within_s)
    while waiting and not deadline.passed:
        time.sleep(_POLL_S)
        for state in partition_states(settings):
            if not state.lag or state.next_offset > waiting.get(state.partition, state).next_offset:
                waiting.pop(state.partition, None)
    return _line(list(waiting.values()), within_s) if waiting else None


def _line(waiting: list[PartitionState], within_s: float) -> str:
    partitions = ", ".join(str(state.partition) for state in waiting)
    latest = max((state.committed_at for state in waiting if state.committed_at), default=None)
    since = f"the last commit was at {latest:%Y-%m-%d %H:%M:%S} UTC" if latest else "none was ever counted"
    lag = sum(state.lag for state in waiting)
    return f"partition {partitions}: {lag:,} messages wait in Kafka, and none was counted for {within_s:g} s; {since}"
