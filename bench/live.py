"""A dataflow that runs, and the visits that are sent to it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from bench import dataflow
from bench.place import Visits
from bench.process import Module, Usage, run_module
from bench.producer import Producer, Sending
from bench.progress import counted, reading
from process.deadline import Deadline
from process.errors import ExitCode, Fatal
from settings import Settings

_COUNTED_S = 60.0
_POLL_S = 0.01
_FIRST_RATE = 1000


class Live:
    """A running dataflow over a topic to which no one else sends; `sent` is the number of visits so far."""

    def __init__(self, settings: Settings, module: Module, partitions: int) -> None:
        self._settings = settings
        self._module = module
        self._producer = Producer(settings, partitions)
        self.sent = 0

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the dataflow's processes so far."""
        return self._module.cpu_s

    def send(self, values: Sequence[bytes], rate: float) -> Sending:
        """Send visits at a rate; return when all of them are counted.

        :raises Fatal: Kafka did not acknowledge them, the dataflow ended, or did not count them within 60 s.
        """
        sending = self._producer.send(values, rate)
        self.sent += len(values)
        self._wait_until_counted()
        return sending

    def end(self) -> Usage:
        """End the dataflow; return what it used from its start.

        :raises Fatal: it had ended before, or was restarted.
        """
        usage = self._module.end()
        dataflow.refuse_restart(self._module)
        return usage

    def _wait_until_counted(self) -> None:
        deadline = Deadline(_COUNTED_S)
        with reading(self._settings) as cursor:
            while (number := counted(cursor)) != self.sent:
                self._module.check()
                if deadline.passed:
                    message = f"of {self.sent} visits the dataflow has counted {number} after {_COUNTED_S:.0f} s"
                    raise Fatal(message, ExitCode.ABORTED)
                time.sleep(_POLL_S)


@contextmanager
def live(environ: Mapping[str, str], processes: int, first: Sequence[bytes]) -> Iterator[Live]:
    """Run the dataflow over a topic with one partition for each of the `first` visits.

    When these are counted it owns all partitions.

    :raises Fatal: it ended, or has not counted them within 60 s.
    """
    endless = {**environ, "STOP_AT_END": "0"}
    with dataflow.running(endless, processes) as module:
        running = Live(Settings.from_environment(endless), module, len(first))
        running.send(first, _FIRST_RATE)
        yield running


def values_of(visits: Visits, rate: int, environ: Mapping[str, str]) -> list[bytes]:
    """Return the visits' bytes as the simulator would send them, dated `rate` a second.

    :raises Fatal: the simulator ended badly.
    """
    _, output = run_module(("simulate", *visits.simulated(rate), "--dry-run"), environ)
    return output.splitlines()
