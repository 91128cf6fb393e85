"""One run: from the options to a message source, at its rate into Kafka, to the truth and the summary."""

import gc
import math
import time
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from oracle import truth
from process.deadline import Deadline
from process.errors import Fatal
from process.signals import Stop
from settings import Settings
from simulate.chunk import Chunk
from simulate.dates import DatesMs, planned, present
from simulate.generator import VisitGenerator
from simulate.history import MessageSource, Preloaded
from simulate.ledger import Ledger
from simulate.options import Options
from simulate.pace import Pace
from simulate.replay import Replay
from simulate.schedule import NOMINAL_RATE, Schedule
from simulate.sender import Sender, topic_of
from simulate.shape import Shape
from simulate.stats import RunStats
from simulate.summary import Summary, summary_of
from simulate.view import View, open_view
from simulate.workload import draw_countries, draw_templates
from simulate.world import WORLD, Rhythm, day_shares

TICK_S = 0.01
_CATCH_UP_S = 1.0
"""A longer delay is not caught up with: whatever held up the messages moves the schedule."""


def generator_of(options: Options, settings: Settings, *, scheduled: bool = True) -> VisitGenerator:
    """Draw the workload and return its generator; unless `scheduled`, all messages are due at once."""
    rate = options.rate or NOMINAL_RATE
    schedule = Schedule(rate, options.profile, options.speed)
    until = options.count
    if options.duration_s is not None and options.rate:
        until = schedule.messages_in(options.duration_s)
    return _generator(
        options,
        settings,
        seed=options.seed,
        dates_ms=present(options.speed) if options.start_ms is None else planned(options.start_ms, schedule),
        schedule=schedule if options.rate and scheduled else None,
        until=until,
    )


def history_generator(options: Options, settings: Settings) -> VisitGenerator:
    """Return a generator of the time before --start, or before now; a day has as many visits as its rate makes."""
    end_ms = time.time_ns() // 1_000_000 if options.start_ms is None else options.start_ms
    begin_ms = end_ms - options.history_ms
    schedule = Schedule(options.history_rate, day_shares(begin_ms) if options.countries is None else "steady")
    return _generator(
        options,
        settings,
        seed=f"{options.seed}/history",
        dates_ms=planned(begin_ms, schedule),
        schedule=None,
        until=schedule.messages_in(Fraction(options.history_ms, 1000)),
    )


def _generator(  # noqa: PLR0913 - what the history and the live visits do not have in common
    options: Options,
    settings: Settings,
    *,
    seed: int | str,
    dates_ms: DatesMs,
    schedule: Schedule | None,
    until: int | None,
) -> VisitGenerator:
    countries = options.countries
    if isinstance(countries, int):
        countries = draw_countries(options.seed, countries, options.zipf)
    weights = WORLD if countries is None else countries
    shape = Shape(settings)
    templates = draw_templates(options.seed, weights, options.actions, shape)
    return VisitGenerator(
        templates=templates,
        seed=seed,
        anomalies=options.anomalies,
        dates_ms=dates_ms,
        schedule=schedule,
        until=until,
        key=options.key,
        rhythm=Rhythm(templates) if countries is None and not shape.one_country else None,
    )


def source_of(
    options: Options, settings: Settings, *, scheduled: bool = True, stop: Stop | None = None
) -> MessageSource:
    """Return where the messages come from; unless `scheduled`, all are due at once.

    :raises Fatal: the file of --replay cannot be read.
    """
    if options.replay is not None:
        return _replay(options.replay, options, settings, scheduled=scheduled, stop=stop)
    live = partial(generator_of, options, settings, scheduled=scheduled)
    if not options.history_ms:
        return live()
    return Preloaded(history_generator(options, settings), live if options.live else None)


def _replay(path: Path, options: Options, settings: Settings, *, scheduled: bool, stop: Stop | None) -> Replay:
    recorded_pace = options.rate is None and scheduled
    return Replay(
        path,
        pace=Pace(options.speed, options.max_gap_s, str(path)) if recorded_pace else None,
        until=options.count,
        key=options.key,
        shape=Shape(settings),
        stop=stop,
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
    source = source_of(options, settings, stop=stop)
    sender = Sender(settings, topic)
    run = _Run(
        sender,
        Ledger(settings, topic) if options.truth else None,
        RunStats(sender, options.rate if options.live else Fraction(0)),
        stop,
    )
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
