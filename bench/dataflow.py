"""The dataflow as its users run it, in one process or several."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.process import Module, started
from process.errors import ExitCode, Fatal

_RESTART = '"action":"restart"'


@contextmanager
def running(environ: Mapping[str, str], processes: int, threads: int = 1) -> Iterator[Module]:
    """Start the dataflow: `bytewax.run dataflow:flow -w N`, or `ops run -p N -w N` for several processes."""
    workers = ("-w", str(threads))
    if processes == 1:
        with started(("bytewax.run", "dataflow:flow", *workers), environ) as module:
            yield module
    else:
        command = ("ops", "run", "-p", str(processes), *workers)
        with started(command, {**environ, "LOG_FORMAT": "json"}) as module:
            yield module


def refuse_restart(dataflow: Module) -> None:
    """Refuse to measure a dataflow of several processes that `ops run` has restarted meanwhile.

    :raises Fatal: it has.
    """
    if _RESTART in dataflow.log:
        message = f"the dataflow was restarted while it was measured: {dataflow.last_message}"
        raise Fatal(message, ExitCode.ABORTED)
