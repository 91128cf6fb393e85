"""One run: from the options to a message source, at its rate into Kafka, to the truth and the summary."""

import gc
import math
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from oracle import truth
from process.deadline import Deadline
from process.errors import Fatal
from process.signals import Stop
from settings import Settings
from simulate.chunk import Chunk
from simulate.dates import planned, present
from simulate.generator import VisitGenerator
from simulate.ledger import Ledger
from simulate.options import Options
from simulate.replay import Replay
from simulate.schedule import NOMINAL_RATE, Schedule
from simulate.sender import Sender, topic_of
from simulate.stats import RunStats
from simulate.summary import Summary, summary_of
from simulate.view import View, open_view
from simulate.workload import draw_countries, draw_templates

TICK_S = 0.01
_CATCH_UP_S = 1.0
"""A longer delay is not caught up with: whatever held up the messages moves the schedule."""


class MessageSource(Protocol):
    """Where messages come from."""

    @property
    def done(self) -> bool:
        """Whether all have been taken."""

    def due(self, elapsed_s: float) -> int:
        """Return how many may be taken now."""

    def behind_s(self, elapsed_s: float) -> float:
        """Return for how long the next one has been due, seconds."""

    def take(self, number: int) -> Chunk:
        """Return the next ones: one at least, `number` at most."""


def generator_of(options: Options, settings: Settings, *, scheduled: bool = True) -> VisitGenerator:
    """Draw the workload and return its generator; unless `scheduled`, all messages are due at once."""
    countries = options.countries
    if isinstance(countries, int):
        countries = draw_countries(options.seed, countries, options.zipf)
    rate = options.rate or NOMINAL_RATE
    schedule = Schedule(rate, options.profile, options.speed)
    until = options.count
    if options.duration_s is not None and options.rate:
        until = schedule.messages_in(options.duration_s)
    return VisitGenerator(
        templates=draw_templates(options.seed, countries, options.actions),
        seed=options.seed,
        anomalies=options.anomalies,
        dates_ms=present(options.speed) if options.start_ms is None else planned(options.start_ms, schedule),
        schedule=schedule if options.rate and scheduled else None,
        until=until,
        key=options.key,
        naive_timezone=settings.naive_timezone,
    )


def source_of(options: Options, settings: Settings, *, scheduled: bool = True) -> MessageSource:
    """Return where the messages come from; unless `scheduled`, all are due at once.

    :raises Fatal: the file of --replay cannot be read.
    """
    if options.replay is None:
        return generator_of(options, settings, scheduled=scheduled)
    return Replay(
        options.replay,
        speed=options.speed if options.rate is None and scheduled else None,
        until=options.count,
        key=options.key,
        naive_timezone=settings.naive_timezone,
    )


def deadline_of(options: Options) -> Deadline:
    """Return when to end, counted from now; with a rate --duration is a number of messages instead."""
    return Deadline(math.inf if options.duration_s is None or options.rate else float(options.duration_s))


def simulate(options: Options, settings: Settings, stop: Stop) -> tuple[Summary, Fatal | None]:
    """Send the visits, wait until Kafka has acknowledged each, write the truth, and sum up.

    What ended the run early is returned with the summary of what was sent before.

    :raises Fatal: Kafka cannot be reached at the start, refuses, or has no such topic; a file cannot be used.
    """
    if options.truth:
        truth.check_writable(options.truth)
    topic = topic_of(settings)
    source = source_of(options, settings)
    sender = Sender(settings, topic)
    run = _Run(sender, Ledger(settings, topic) if options.truth else None, RunStats(sender, options.rate), stop)
    fatal = None
    gc.freeze()  # the templates stay: no collection needs to traverse them again
    with open_view() as view:
        try:
            run.send(source, deadline_of(options), view)
        except Fatal as error:
            fatal = error
        run.drain(view)
    unwritten = run.write_truth(options)
    return summary_of(run.stats, settings, options, truth=None if unwritten else options.truth), fatal or unwritten


@dataclass(frozen=True)
class _Run:
    sender: Sender
    ledger: Ledger | None
    stats: RunStats
    stop: Stop

    def send(self, source: MessageSource, deadline: Deadline, view: View) -> None:
        """Send what is due, until all is sent, the time is up, a stop is requested, or a delivery fails."""
        held_up_s = 0.0
        while not (source.done or self.stop.is_set() or self.sender.failures or deadline.passed):
            elapsed_s = self.stats.elapsed_s - held_up_s
            due = source.due(elapsed_s)
            if due < 1:
                self.sender.poll(TICK_S)
            else:
                if (behind_s := source.behind_s(elapsed_s)) > _CATCH_UP_S:
                    held_up_s += behind_s
                self._send_chunk(source.take(due), view)
            self._digest()
            self._show(view)

    def drain(self, view: View) -> None:
        """Wait until nothing is in flight; a second stop request ends the wait."""
        self.stats.draining = True
        purged = False
        while self.sender.in_flight:
            if self.stop.requests > 1 and not purged:
                self.sender.purge()
                purged = True
            self.sender.poll(0.1)
            self._digest()
            self._show(view)

    def write_truth(self, options: Options) -> Fatal | None:
        """Write the truth file, if there is to be one; return why it could not be written."""
        try:
            if self.ledger and options.truth:
                truth.write(self.ledger.truth(self.sender.failures), options.truth)
        except Fatal as error:
            return error
        return None

    def _send_chunk(self, chunk: Chunk, view: View) -> None:
        # While it waits nothing is digested: the chunk is in flight, and not yet in the ledger.
        queued = self.sender.send(chunk, self.stop, partial(self._show, view))
        sent = chunk.subset(queued)
        self.stats.count(sent)
        if self.ledger:
            self.ledger.record(chunk, queued, sent)

    def _digest(self) -> None:
        if self.ledger and not self.sender.failures:
            self.ledger.digest_acknowledged(self.sender.in_flight)

    def _show(self, view: View) -> None:
        self.stats.sample()
        view.show(self.stats)
