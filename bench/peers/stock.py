"""Bytewax's own operators, as a peer: bench/stock.py measures them, bench/README.md describes them."""

from collections.abc import Mapping

from bench import report, stock
from bench.place import Visits


def missing() -> str | None:
    """Return None: it needs nothing but this project."""
    return None


def measure(environ: Mapping[str, str], visits: Visits, *, parallelism: int) -> report.Run:
    """Run it over a filled topic, in one process with one worker whatever the parallelism is.

    With more workers its clock, which reads the partitions unevenly, judges most visits late.

    :raises Fatal: it ended badly.
    """
    del parallelism
    return stock.measure(environ, visits, wait_s=stock.WAIT_S)
