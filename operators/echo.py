"""Every visit as a line on standard output: to see what arrives (ECHO=1)."""

import sys
from collections.abc import Iterable

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from operators.batches import VisitBatch
from operators.visit import Visit


def visit_line(visit: Visit) -> str:
    """Return one visit as a person reads it."""
    return f"{visit.visit_date.isoformat()} {visit.country!r} {visit.last_action!r} {visit.duration} s"


class _EchoPartition(StatelessSinkPartition[str]):
    def write_batch(self, items: list[str]) -> None:
        if sys.stdout is None:  # closed by the parent process
            return
        encoding = sys.stdout.encoding
        text = "".join(f"{line}\n" for line in items)
        # One write: workers share the stream, and their lines must not mix.
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()


class EchoSink(DynamicSink[str]):
    """Lines to standard output; what it cannot encode is escaped.

    Unit of parallelism: the worker. After a crash: lines may be repeated, or missing.
    """

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _EchoPartition:
        return _EchoPartition()


@operator
def echo_visits(step_id: str, up: KeyedStream[VisitBatch]) -> KeyedStream[VisitBatch]:
    """Print each visit of each batch; the stream is unchanged."""
    lines = op.flat_map("lines", up, _lines)
    op.output("print", lines, EchoSink())
    return up


def _lines(keyed: tuple[str, VisitBatch]) -> Iterable[str]:
    return map(visit_line, keyed[1].visits)
