"""Spark Structured Streaming in one JVM: README.md describes how it was tuned and what it guarantees."""

from collections.abc import Mapping

from bench import report
from bench.peers import java, job
from bench.peers.java import JavaPeer
from bench.place import Visits

BATCH_VISITS = 500_000
WATERMARK_S = 60

_OPENED = (
    *(f"java.{name}" for name in ("io", "lang", "lang.invoke", "lang.reflect", "net", "nio", "util")),
    *("java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref"),
    *(f"sun.{name}" for name in ("nio.ch", "nio.cs", "security.action", "util.calendar")),
)
"""Packages of java.base that Spark reaches into; its own launcher opens them too."""

PEER = JavaPeer(
    folder="spark",
    main_class="peers.spark.Job",
    engine="spark-sql_2.13",
    options=(
        *("-Xms1g", "-Xmx1g", "-XX:+UseSerialGC"),
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Dio.netty.tryReflectionSetAccessible=true",
    ),
    download_mb=288,
)


def missing() -> str | None:
    """Return None when it can run, otherwise why it is left out."""
    return java.missing(PEER)


def measure(environ: Mapping[str, str], visits: Visits, *, parallelism: int) -> report.Run:
    """Run it over a filled topic.

    :raises Fatal: it cannot be built, or ended badly.
    """
    variables = {
        "PEER_PARALLELISM": str(parallelism),
        "PEER_BATCH_VISITS": str(BATCH_VISITS),
        "PEER_WATERMARK_S": str(WATERMARK_S),
    }
    return job.measure(PEER, "spark", environ, visits, variables)
