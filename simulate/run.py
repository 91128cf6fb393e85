"""One run: from the options to the visitors, at their pace into Kafka, to the truth and the summary."""

import gc
import math
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from oracle import truth
from process.errors import Fatal
from settings import Settings
from simulate.chunk import Chunk
from simulate.dates import planned, present
from simulate.ledger import Ledger
from simulate.options import Options
from simulate.replay import Replay
from simulate.schedule import NOMINAL_RATE, Schedule
from simulate.sender import Sender, topic_of
from simulate.stop import Stop
from simulate.summary import Summary, summary_of
from simulate.tally import Tally
from simulate.view import View, view
from simulate.visitors import Visitors
from simulate.world import draw_countries, draw_deck

TICK_S = 0.01
_CATCH_UP_S = 1.0
"""What is due for longer is not caught up with: whatever held the visits up has slowed them."""


class Source(Protocol):
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


def visitors_of(options: Options, settings: Settings, *, paced: bool = True) -> Visitors:
    """Draw the world and return its visitors; those that are not paced are due at once."""
    countries = options.countries
    if isinstance(countries, int):
        countries = draw_countries(options.seed, countries, options.zipf)
    rate = options.rate or NOMINAL_RATE
    schedule = Schedule(rate, options.profile, options.speed)
    until = options.count
    if options.duration_s is not None and options.rate:
        until = schedule.messages_in(options.duration_s)
    return Visitors(
        deck=draw_deck(options.seed, countries, options.actions),
        seed=options.seed,
        odds=options.odds,
        dates_ms=present(options.speed) if options.start_ms is None else planned(options.start_ms, schedule),
        pace=schedule if options.rate and paced else None,
        until=until,
        key=options.key,
        naive_timezone=settings.naive_timezone,
    )


def source_of(options: Options, settings: Settings, *, paced: bool = True) -> Source:
    """Return where the messages come from; those that are not paced are due at once.

    :raises Fatal: the file of --replay cannot be read.
    """
    if options.replay is None:
        return visitors_of(options, settings, paced=paced)
    return Replay(
        options.replay,
        speed=options.speed if options.rate is None and paced else None,
        until=options.count,
        key=options.key,
        naive_timezone=settings.naive_timezone,
    )


def simulate(options: Options, settings: Settings, stop: Stop) -> tuple[Summary, Fatal | None]:
    """Send the visits, wait until Kafka has answered for each, write the truth, and sum up.

    What ended the visits early is returned with the summary of those before it.

    :raises Fatal: Kafka cannot be reached at the start, refuses, or has no such topic; a file is no good.
    """
    if options.truth:
        truth.check_writable(options.truth)
    topic = topic_of(settings)
    source = source_of(options, settings)
    sender = Sender(settings, topic)
    run = _Run(sender, Ledger(settings, topic) if options.truth else None, Tally(sender, options.rate), stop)
    fatal = None
    gc.freeze()  # the world stays: no collection needs to look at it again
    with view() as shown:
        try:
            run.send(source, until_s_of(options), shown)
        except Fatal as error:
            fatal = error
        run.await_answers(shown)
    unwritten = run.write_truth(options)
    return summary_of(run.tally, settings, options, truth=None if unwritten else options.truth), fatal or unwritten


def until_s_of(options: Options) -> float:
    """Return after how many seconds of real time to end; a rate turns --duration into a number of messages."""
    return math.inf if options.duration_s is None or options.rate else float(options.duration_s)


@dataclass(frozen=True)
class _Run:
    sender: Sender
    ledger: Ledger | None
    tally: Tally
    stop: Stop

    def send(self, source: Source, until_s: float, shown: View) -> None:
        """Send what is due, until the source is done, the time is up, the user asks, or a delivery fails."""
        held_up_s = 0.0
        while not (source.done or self.stop or self.sender.failures or self.tally.elapsed_s >= until_s):
            elapsed_s = self.tally.elapsed_s - held_up_s
            due = source.due(elapsed_s)
            if due < 1:
                self.sender.poll(TICK_S)
            else:
                if (behind_s := source.behind_s(elapsed_s)) > _CATCH_UP_S:
                    held_up_s += behind_s
                self._send_chunk(source.take(due), shown)
            self._settle()
            self._show(shown)

    def await_answers(self, shown: View) -> None:
        """Wait until nothing is under way; a second Ctrl-C gives it up."""
        self.tally.ending = True
        given_up = False
        while self.sender.under_way:
            if self.stop.asked > 1 and not given_up:
                self.sender.give_up()
                given_up = True
            self.sender.poll(0.1)
            self._settle()
            self._show(shown)

    def write_truth(self, options: Options) -> Fatal | None:
        """Write the truth, if it is wanted; return why it could not be written."""
        try:
            if self.ledger and options.truth:
                truth.write(self.ledger.truth(self.sender.failures), options.truth)
        except Fatal as error:
            return error
        return None

    def _send_chunk(self, chunk: Chunk, shown: View) -> None:
        # While it waits nothing is settled: the chunk is under way, and the ledger does not know it yet.
        queued = self.sender.send(chunk, self.stop, partial(self._show, shown))
        part = chunk.part(queued)
        self.tally.sent(part)
        if self.ledger:
            self.ledger.sent(chunk, queued, part)

    def _settle(self) -> None:
        if self.ledger and not self.sender.failures:
            self.ledger.settle(self.sender.under_way)

    def _show(self, shown: View) -> None:
        self.tally.sample()
        shown.show(self.tally)
