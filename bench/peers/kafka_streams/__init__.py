"""Kafka Streams in one JVM: README.md describes how it was tuned and what it guarantees."""

from collections.abc import Mapping

from bench import report
from bench.peers import java, job
from bench.peers.java import JavaPeer
from bench.place import Visits

GRACE_S = 86_400

PEER = JavaPeer(
    folder="kafka_streams",
    main_class="peers.streams.Job",
    engine="kafka-streams",
    options=("-Xms1g", "-Xmx1g", "-XX:+UseSerialGC"),
    download_mb=97,
)


def missing() -> str | None:
    """Return None when it can run, otherwise why it is left out."""
    return java.missing(PEER)


def measure(
    environ: Mapping[str, str], visits: Visits, *, parallelism: int, exactly_once: bool = False, grace_s: int = GRACE_S
) -> report.Run:
    """Run it over a filled topic; `exactly_once` is from topic to topic, `grace_s` how late a visit may be.

    :raises Fatal: it cannot be built, or ended badly.
    """
    guarantee = "exactly_once_v2" if exactly_once else "at_least_once"
    case = "kafka_streams_exactly_once" if exactly_once else "kafka_streams"
    variables = {"PEER_PARALLELISM": str(parallelism), "PEER_GUARANTEE": guarantee, "PEER_GRACE_S": str(grace_s)}
    return job.measure(PEER, case, environ, visits, variables)
