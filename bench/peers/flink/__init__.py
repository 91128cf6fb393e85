"""Flink SQL in one JVM: README.md describes how it was tuned and what it guarantees."""

from collections.abc import Mapping

from bench import report
from bench.peers import java, job
from bench.peers.java import JavaPeer
from bench.place import Visits

PEER = JavaPeer(
    folder="flink",
    main_class="peers.flink.Job",
    engine="flink-runtime",
    options=("-Xms1g", "-Xmx1g", "-XX:+UseSerialGC", "--add-opens=java.base/java.util=ALL-UNNAMED"),
    download_mb=136,
)


def missing() -> str | None:
    """Return None when it can run, otherwise why it is left out."""
    return java.missing(PEER)


def measure(environ: Mapping[str, str], visits: Visits, *, parallelism: int, exactly_once: bool = False) -> report.Run:
    """Run it over a filled topic; `exactly_once` is that of the carts.

    :raises Fatal: it cannot be built, or ended badly.
    """
    guarantee = "exactly-once" if exactly_once else "at-least-once"
    case = "flink_exactly_once" if exactly_once else "flink"
    variables = {"PEER_PARALLELISM": str(parallelism), "PEER_GUARANTEE": guarantee}
    return job.measure(PEER, case, environ, visits, variables)
