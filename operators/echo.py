"""Every visit as a line on standard output: for looking at what arrives (ECHO=1)."""

import bytewax.operators as op
from bytewax.connectors.stdio import StdOutSink
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.decode import Visit, VisitBatch


def visit_line(visit: Visit) -> str:
    """Return one visit as a person reads it."""
    return f"{visit.visit_date.isoformat()} {visit.country!r} {visit.last_action!r} {visit.duration} s"


@operator
def echo_visits(step_id: str, up: KeyedStream[VisitBatch]) -> KeyedStream[VisitBatch]:
    """Print each visit of each batch; the stream goes on as it was."""
    lines = op.flat_map("lines", up, lambda keyed: map(visit_line, keyed[1].visits))
    op.output("print", lines, StdOutSink())
    return up
