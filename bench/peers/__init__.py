"""Measure the same work by other engines: Flink SQL, Kafka Streams, Spark Structured Streaming, stock Bytewax.

All of them read the same topic. Those on the JVM write the carts to Kafka and the windows to MariaDB, and what they
counted is compared with a recount of the topic. One line of JSON a run; a peer that cannot run is named on standard
error with the reason.

Examples:
    python -m bench peers
    python -m bench peers flink kafka_streams --messages 500000 --parallelism 2
    python -m bench peers flink --exactly-once
"""

import argparse
import logging
from types import ModuleType

from bench import peer, place, report

logger = logging.getLogger(__name__)

PEERS: dict[str, ModuleType] = {each.module.rpartition(".")[2]: each.load() for each in peer.PEERS}
"""Every one has missing() and measure(environ, visits, parallelism=N)."""

EXACTLY_ONCE = ("flink", "kafka_streams")
"""Those whose measure() has exactly_once=True, too: carts in Kafka transactions."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which peers, which visits, and on how many cores."""
    add = parser.add_argument
    add("peers", nargs="*", type=_peer, metavar="PEER", help=f"{', '.join(PEERS)} (default: all)")
    add("--parallelism", type=report.positive, default=2, metavar="N", help="tasks at the same time (default: 2)")
    add("--exactly-once", action="store_true", help=f"exactly-once carts; only {' and '.join(EXACTLY_ONCE)}")
    report.add_visits(parser, messages=2_000_000)


def main(arguments: argparse.Namespace) -> int:
    """Fill a topic, run every peer once, print."""
    visits = report.visits_of(arguments)
    options = {"parallelism": arguments.parallelism}
    names = arguments.peers or list(PEERS)
    if arguments.exactly_once:
        names = [name for name in names if name in EXACTLY_ONCE]
        options["exactly_once"] = True
    with place.filled(visits) as filled:
        for name in names:
            reason = PEERS[name].missing()
            if reason:
                logger.warning("%s", reason)
            else:
                report.show(PEERS[name].measure(filled, visits, **options))
    return 0


def _peer(name: str) -> str:
    if name not in PEERS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PEERS)}")
    return name
