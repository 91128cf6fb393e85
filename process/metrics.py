"""Metrics of this process for Prometheus: what is counted, how long it takes, and how far behind it is.

Labels are bounded: partitions, servers, outputs, reasons, and error codes. Names follow
https://prometheus.io/docs/practices/naming/. Counters begin at 0 with the process.
"""

import logging
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from wsgiref.simple_server import WSGIServer

from prometheus_client import Counter, Gauge, Histogram, Info, start_http_server

from process.errors import ExitCode, Fatal
from process.heartbeat import RESTARTS_VARIABLE

logger = logging.getLogger(__name__)

_served: list[int] = []

PREFIX = "website_analytics"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_ROWS = (1, 10, 100, 1000, 10_000, 100_000)

MESSAGES = Counter(f"{PREFIX}_messages", "Messages counted or rejected, and committed.", ["partition"])
VISITS = Counter(f"{PREFIX}_visits", "Visits counted, and committed.", ["partition"])
REJECTS = Counter(f"{PREFIX}_rejects", "Messages that are not visits, by reason.", ["partition", "reason"])
COMMITS = Counter(f"{PREFIX}_commits", "Transactions committed.", ["server"])
COMMIT_ROWS = Histogram(f"{PREFIX}_commit_rows", "Rows or records of a transaction.", ["server"], buckets=_ROWS)
COMMIT_SECONDS = Histogram(f"{PREFIX}_commit_seconds", "Time of a transaction, seconds.", ["server"], buckets=_SECONDS)
RETRIES = Counter(f"{PREFIX}_retries", "Steps repeated after an error, by its name or number.", ["server", "error"])
LATENCY = Histogram(
    f"{PREFIX}_latency_seconds",
    "From Kafka's timestamp of the last message of a commit to the end of that commit.",
    buckets=(*_SECONDS, 60.0, 300.0, 3600.0),
)
WINDOW_ROWS = Gauge(f"{PREFIX}_window_rows", "Rows of window_totals, as InnoDB estimates them, once a minute.")
WINDOW_ROWS_LIMIT = Gauge(f"{PREFIX}_window_rows_limit", "MAX_WINDOW_ROWS: the dataflow ends there.")
RESTARTS = Counter(f"{PREFIX}_restarts", "How often `ops run` has started this cluster again.")
_BUILD = Info(f"{PREFIX}_build", "Versions.")


@cache
def lines(output: str) -> Counter:
    """Return the counter of an output's lines, such as `website_analytics_carts_total`."""
    return Counter(f"{PREFIX}_{output}", f"Visits sent to the topic of the output {output}.", ["partition"])


def enabled() -> bool:
    """Return whether anyone can read them: else nothing is counted."""
    return bool(_served)


@contextmanager
def timed(server: str, rows: int) -> Iterator[None]:
    """Measure a transaction of so many rows or records, which is counted unless it raises."""
    began = time.monotonic()
    yield
    if not _served:
        return
    COMMITS.labels(server).inc()
    COMMIT_ROWS.labels(server).observe(rows)
    COMMIT_SECONDS.labels(server).observe(time.monotonic() - began)


def serve(host: str, port: int) -> WSGIServer:
    """Serve the metrics at http://host:port/metrics on a thread of its own.

    :raises Fatal: CONFIG, the address cannot be listened on.
    """
    try:
        server, _ = start_http_server(port, host)
    except OSError as error:
        message = f"METRICS_HOST {host} and METRICS_PORT {port} cannot be listened on: {error.strerror}"
        raise Fatal(message, ExitCode.CONFIG) from error
    _served.append(port)
    logger.info("metrics are at http://%s:%d/metrics", host, port, extra={"action": "metrics"})
    return server


def describe_build() -> None:
    """State the versions, and how often this cluster was started again."""
    packages = ("bytewax", "confluent-kafka", "mariadb", "msgspec", "website-analytics")
    found = {name.replace("-", "_"): _version(name) for name in packages}
    _BUILD.info({name: text for name, text in found.items() if text} | {"python": platform.python_version()})
    restarts = os.environ.get(RESTARTS_VARIABLE, "")
    RESTARTS.inc(int(restarts) if restarts.isdecimal() else 0)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # this project, run from a checkout
        return None


def process_index(arguments: Sequence[str]) -> int:
    """Return the number of this process in its cluster, as Bytewax was told; 0 where it is the only one."""
    for flag, value in pairwise(arguments):
        if flag in {"-i", "--process-id"} and value.isdecimal():
            return int(value)
    return 0
