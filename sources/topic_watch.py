"""Detects what a consumer does not notice: the input topic deleted, created anew or grown, the clock set back."""

import logging
import threading
from contextlib import suppress

from confluent_kafka.admin import AdminClient

from clients import kafka
from partition.pipeline import Pipeline
from partition.provisioned import grown_message, recreated_message
from process.clock import ClockWatch
from process.errors import ExitCode, Fatal, OnFatal, raise_fatal
from settings import Settings
from sources.window_rows import WindowRows

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 10.0
CLOCK_SET_BACK_S = 5.0  # by so much the dataflow may pause: Bytewax's timers stand still until the time has come again


class TopicWatch:
    """Polls the input topic's id and number of partitions, the clock, and the size of window_totals.

    Once every 10 s for the whole process. What it finds ends the process at the source's next call; a clock that was
    set back does at once, since Bytewax calls no source then.
    """

    def __init__(self, settings: Settings, on_fatal: OnFatal = raise_fatal) -> None:
        self._settings = settings
        self._on_fatal = on_fatal
        self._rows = WindowRows(settings)
        self._lock = threading.Lock()
        self._users = 0
        self._stopped = threading.Event()
        self.found: Fatal | None = None

    def start(self, pipeline: Pipeline, admin: AdminClient) -> None:
        """Begin to poll, unless that has begun."""
        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            self._stopped = threading.Event()
        arguments = (pipeline, admin, self._stopped)
        threading.Thread(target=self._poll, args=arguments, name="topic-watch", daemon=True).start()

    def stop(self) -> None:
        """Stop polling when the last user stops."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._stopped.set()

    def _poll(self, pipeline: Pipeline, admin: AdminClient, stopped: threading.Event) -> None:
        clock = ClockWatch()
        self.found = self.found or self._rows.too_many()
        while not stopped.wait(POLL_INTERVAL_S):
            self._check_clock(clock)
            try:
                self.found = self.found or self._difference(pipeline, admin)
            except Fatal as fatal:  # an outage is no difference: readers and writers decide how long to wait
                logger.warning("%s", fatal.message, extra={"action": "watch"})
            self.found = self.found or self._rows.too_many()

    def _check_clock(self, clock: ClockWatch) -> None:
        set_back_s = clock.set_back_s()
        if set_back_s <= CLOCK_SET_BACK_S:
            return
        message = (
            f"the system clock was set back by {set_back_s:.0f} s: the timers of Bytewax would stand still for as "
            "long; a restart resumes at the committed position"
        )
        self.found = Fatal(message, ExitCode.ABORTED)
        with suppress(Fatal):  # one that raises leaves it to the source, which finds it
            self._on_fatal(self.found)

    def _difference(self, pipeline: Pipeline, admin: AdminClient) -> Fatal | None:
        name = self._settings.visits_topic
        topic = kafka.describe(admin, self._settings, [name])[name]
        if topic is None:
            message = f"topic {name!r} has been deleted; restore it, or start over by python -m ops reset --yes"
            return Fatal(message, ExitCode.DATA)
        if topic.topic_id != pipeline.topic_id:
            return Fatal(recreated_message(topic, pipeline.topic_id), ExitCode.DATA)
        if topic.partitions != pipeline.partitions:
            return Fatal(grown_message(topic, pipeline.partitions), ExitCode.CONFIG)
        return None
